import { binsOfDay } from './season.ts'
import { emptySizingState, type SizingState } from './sizing-state.ts'

/**
 * The state as it was stored, or undefined if it is of another version or damaged: the pool then begins without history.
 * It has the same shape as an empty state, and every number is finite.
 */
export function readSizingState(stored: unknown): SizingState | undefined {
  return hasShapeOf(stored, emptySizingState(0)) && isUsable(stored as SizingState)
    ? (stored as SizingState)
    : undefined
}

/** Longest list of an empty state or a later one. */
const longestList = 1_000

function hasShapeOf(value: unknown, model: unknown): boolean {
  if (typeof model === 'number') return typeof value === 'number' && Number.isFinite(value)
  if (typeof model === 'boolean') return typeof value === 'boolean'
  if (Array.isArray(model)) return hasListOf(value, model)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const record = value as Readonly<Record<string, unknown>>
  return Object.entries(model as object).every(([key, child]) => hasShapeOf(record[key], child))
}

/** A list that is empty at first holds pairs of numbers; any other keeps its length. */
function hasListOf(value: unknown, model: readonly unknown[]): boolean {
  if (!Array.isArray(value) || value.length > longestList) return false
  if (model.length === 0) return value.every((pair) => hasShapeOf(pair, [0, 0]))
  return value.length === model.length && value.every((item, index) => hasShapeOf(item, model[index]))
}

function isUsable({ version, season, past }: SizingState): boolean {
  return version === 1 && season.weekday.length === binsOfDay && past.unit > 0 && past.chosen in past.scores
}
