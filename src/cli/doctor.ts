import { parseArgs } from 'node:util'
import { type Config, loadConfig } from '../config.ts'
import { type Examination, examineInvariants } from '../domain/invariants/examine-invariants.ts'
import { GreenroomError } from '../errors.ts'
import { createLogger } from '../logging.ts'
import { openInvariantSources } from '../roles/invariant-sources.ts'
import { pause } from '../timing/pause.ts'
import { printingRefusals } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import { doctorChecks } from './doctor-checks/doctor-checks.ts'
import { createDoctorParts } from './doctor-checks/doctor-parts.ts'
import { type CheckReport, type Phase, runChecks } from './doctor-checks/run-checks.ts'
import { type DoctorReport, doctorExitCode, doctorInWords, doctorReport } from './doctor-report.ts'

export type { DoctorReport } from './doctor-report.ts'

const usage = `usage: doctor [--before | --after | --invariants] [--json] [--settle-ms N]
Looks at what Greenroom needs (Kubernetes, PostgreSQL, Redis, LiveKit, this machine), says what is wrong and what to type,
and lists every broken invariant: pods claimed twice, sessions without pod, … docs/doctor.md lists the checks.
--before        what an installation needs; nothing of Greenroom has to be there
--after         what an installation must be; what is missing has failed
--invariants    the invariants alone
                (default: as --after, but what is not installed or configured is "skipped", with the reason)
--settle-ms N   a broken invariant that may still go away counts after N ms (default: 2 to 10 s, by kind)
Exit code: 0 nothing is wrong; 1 a check failed or an invariant is broken; 2 a store was not read for the invariants, or
arguments or environment are wrong.`

interface DoctorOptions {
  readonly json: boolean
  readonly settleMs: number | undefined
  /** Undefined: no checks. */
  readonly phase: Phase | undefined
  readonly invariants: boolean
}

export const doctor: CommandProgram = {
  usage,
  run: (argv) =>
    printingRefusals(async () => {
      const options = readArguments(argv)
      const report = await examine(loadConfig('doctor'), options)
      const { invariants, json } = options
      const columns = process.stdout.isTTY ? process.stdout.columns : undefined
      const text = json
        ? `${JSON.stringify(report, undefined, 2)}\n`
        : doctorInWords(report, { columns, invariants })
      process.stdout.write(text)
      return doctorExitCode(report)
    }),
}

/** Checks and invariants side by side; a part that hangs delays neither. */
async function examine(config: Config<'doctor'>, options: DoctorOptions): Promise<DoctorReport> {
  const { phase, invariants, settleMs } = options
  const [examination, checks] = await Promise.all([
    invariants ? examinedInvariants(config, settleMs) : undefined,
    phase === undefined ? [] : checksOf(config, phase),
  ])
  return doctorReport(examination, checks)
}

async function examinedInvariants(
  config: Config<'doctor'>,
  settleMs: number | undefined,
): Promise<Examination> {
  // Only the report goes to stdout; it names the stores that failed.
  const logger = createLogger({ level: 'silent', role: 'doctor', instance: config.HOSTNAME })
  const { sources, close } = await openInvariantSources(config, logger)
  try {
    return await examineInvariants(sources, { settleMs, ...realTime, pause })
  } finally {
    await close()
  }
}

async function checksOf(config: Config<'doctor'>, phase: Phase): Promise<readonly CheckReport[]> {
  const parts = createDoctorParts(config)
  const kubernetes = async () => {
    const opened = await parts.open('kubernetes')
    return opened.state === 'open' ? opened.part : undefined
  }
  try {
    return await runChecks(doctorChecks, { phase, parts, context: { config, kubernetes, ...realTime } })
  } finally {
    await parts.close()
  }
}

const realTime = {
  epochMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

function readArguments(argv: readonly string[]): DoctorOptions {
  try {
    const {
      json,
      before,
      after,
      invariants,
      'settle-ms': settle,
    } = parseArgs({
      args: [...argv],
      options: {
        json: { type: 'boolean', default: false },
        before: { type: 'boolean', default: false },
        after: { type: 'boolean', default: false },
        invariants: { type: 'boolean', default: false },
        'settle-ms': { type: 'string' },
      },
    }).values
    if ([before, after, invariants].filter(Boolean).length > 1)
      throw new TypeError('one of --before, --after and --invariants')
    if (settle !== undefined && !/^\d{1,7}$/.test(settle))
      throw new TypeError('--settle-ms: expected a number of milliseconds')
    const phase = before ? 'before' : after ? 'after' : 'any'
    return {
      json,
      settleMs: settle === undefined ? undefined : Number(settle),
      phase: invariants ? undefined : phase,
      invariants: !before,
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}`)
  }
}
