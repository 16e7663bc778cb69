import { readSizingState } from '../domain/sizing/read-sizing-state.ts'
import type { SizingState } from '../domain/sizing/sizing-state.ts'
import type { DemandCounts } from '../domain/sizing-ports.ts'

/** What a leader keeps of a pool for the next one. */
interface Kept {
  readonly state: SizingState
  /** Up to where demand was counted. */
  readonly demand?: DemandCounts
}

export function keptSizing(state: SizingState, demand: DemandCounts | undefined): Kept {
  return { state, ...(demand && { demand }) }
}

/** `kept` is undefined where nothing was kept or what is there cannot be used; `problem` tells which. */
export function readKeptSizing(found: unknown): {
  readonly kept: Kept | undefined
  readonly problem: string | undefined
} {
  if (found === undefined || found === null) return { kept: undefined, problem: undefined }
  const unusable = (problem: string) => ({ kept: undefined, problem })
  if (!isRecord(found)) return unusable('it is no object')
  const state = readSizingState(found.state)
  if (!state) return unusable('its state is damaged or of another version')
  const { demand } = found
  if (demand !== undefined && !isDemand(demand)) return unusable('its counts are no numbers')
  return { kept: keptSizing(state, demand), problem: undefined }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDemand(value: unknown): value is DemandCounts {
  return isRecord(value) && [value.since, value.arrivals, value.misses].every(Number.isSafeInteger)
}
