import { type Config, loadConfig } from '../config.ts'
import { type Examination, examineInvariants } from '../domain/invariants/examine-invariants.ts'
import { createLogger } from '../logging.ts'
import { openInvariantSources } from '../roles/invariant-sources.ts'
import { pause } from '../timing/pause.ts'
import { doctorChecks } from './doctor-checks/doctor-checks.ts'
import { createDoctorParts } from './doctor-checks/doctor-parts.ts'
import { type CheckReport, type Phase, runChecks } from './doctor-checks/run-checks.ts'
import { type DoctorReport, doctorExitCode, doctorInWords, doctorReport } from './doctor-report.ts'
import { action } from './line/command-spec.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'

export type { DoctorReport } from './doctor-report.ts'

export const doctor = action({
  summary:
    'Look at what Greenroom needs, say what is wrong and what to type, and list every broken invariant',
  about:
    'It asks Kubernetes, PostgreSQL, Redis and LiveKit, and looks at this machine. Broken invariants are pods claimed twice, sessions without pod and the like. Without --before, --after and --invariants it does as with --after, but what is not installed or configured is "skipped", with the reason. docs/doctor.md lists the checks.',
  options: {
    before: { type: 'boolean', help: 'what an installation needs; nothing of Greenroom has to be there' },
    after: { type: 'boolean', help: 'what an installation must be; what is missing has failed' },
    invariants: { type: 'boolean', help: 'the invariants alone' },
    json: { type: 'boolean', help: 'as JSON' },
    'settle-ms': {
      type: 'string',
      value: 'N',
      help: 'a broken invariant that may still go away counts after N ms (2 to 10 s unless given, by kind)',
    },
  },
  exits: {
    0: 'nothing is wrong',
    1: 'a check failed or an invariant is broken',
    6: 'a store was not read for the invariants',
  },
  examples: [
    { line: 'greenroom doctor --before', does: 'Before an installation' },
    { line: 'greenroom doctor', does: 'When something is wrong' },
  ],
  async run({ options: { json, before, after, invariants, 'settle-ms': settle } }) {
    if ([before, after, invariants].filter((given) => given === true).length > 1)
      throw wrongArguments('Give one of --before, --after and --invariants.')
    const options = {
      settleMs: settle === undefined ? undefined : wholeNumber('--settle-ms', settle, [0, longestSettleMs]),
      phase: invariants === true ? undefined : before === true ? 'before' : after === true ? 'after' : 'any',
      invariants: before !== true,
    } as const
    const report = await examine(loadConfig('doctor'), options)
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined
    const text =
      json === true
        ? `${JSON.stringify(report, undefined, 2)}\n`
        : doctorInWords(report, { columns, invariants: options.invariants })
    process.stdout.write(text)
    return doctorExitCode(report)
  },
})

/** Nearly three hours. */
const longestSettleMs = 9_999_999

interface DoctorOptions {
  readonly settleMs: number | undefined
  /** Undefined: no checks. */
  readonly phase: Phase | undefined
  readonly invariants: boolean
}

/** Checks and invariants side by side; a part that hangs delays neither. */
export async function examine(config: Config<'doctor'>, options: DoctorOptions): Promise<DoctorReport> {
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
