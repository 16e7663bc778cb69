import { statusPartNames } from '../../src/domain/status-report.ts'
import type { FoundPart, StatusProbes } from '../../src/sessions/read-status.ts'

/** A part, or how it is asked. */
type Probe = FoundPart | ((signal: AbortSignal) => Promise<FoundPart>)

/** Every part is well, except those that a test names. */
export function probesOf(found: Partial<Record<(typeof statusPartNames)[number], Probe>> = {}): StatusProbes {
  const probes = statusPartNames.map((name) => {
    const one = found[name] ?? { state: 'ok', detail: 'It answers.' }
    return [name, typeof one === 'function' ? one : async () => one] as const
  })
  return Object.fromEntries(probes) as StatusProbes
}
