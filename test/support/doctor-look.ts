import type { DoctorCheck } from '../../src/cli/doctor-checks/doctor-check.ts'
import { createDoctorParts } from '../../src/cli/doctor-checks/doctor-parts.ts'
import { type CheckReport, type Phase, runChecks } from '../../src/cli/doctor-checks/run-checks.ts'
import { loadConfig } from '../../src/config.ts'

interface LookOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly phase?: Phase
  /** How far this machine's clock is from what it is. */
  readonly shiftMs?: number
}

/** Runs checks as the doctor does, with this environment and nothing else of ours. */
export async function look(
  checks: readonly DoctorCheck[],
  { env = {}, phase = 'after', shiftMs = 0 }: LookOptions = {},
): Promise<Readonly<Record<string, CheckReport>>> {
  const config = loadConfig('doctor', env)
  const parts = createDoctorParts(config)
  const kubernetes = async () => {
    const opened = await parts.open('kubernetes')
    return opened.state === 'open' ? opened.part : undefined
  }
  const clocks = { epochMs: () => Date.now() + shiftMs, monotonicMs: () => performance.now() }
  try {
    const reports = await runChecks(checks, { phase, parts, context: { config, kubernetes, ...clocks } })
    return Object.fromEntries(reports.map((report) => [report.name, report]))
  } finally {
    await parts.close()
  }
}

/** `{redis-version: 'ok', …}` */
export function statesOf(reports: Readonly<Record<string, CheckReport>>): Record<string, string> {
  return Object.fromEntries(Object.entries(reports).map(([name, { state }]) => [name, state]))
}
