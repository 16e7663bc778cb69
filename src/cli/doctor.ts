import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import { type Violation, type ViolationKind, violationKinds } from '../domain/invariants/breach.ts'
import { GreenroomError } from '../errors.ts'
import { createLogger } from '../logging.ts'
import { type Examination, examine, openInvariantSources } from '../roles/doctor-role.ts'

const usage = `usage: doctor [--json] [--settle-ms N]
Reads Kubernetes, PostgreSQL and Redis and lists what may not be: pods claimed twice, sessions without pod, …
--settle-ms N   a finding that may be on its way counts once it was seen for N ms (default: 2 to 10 s, by kind)
Ends with 0: nothing found; 1: violations; 2: a store could not be read, or the arguments or environment are wrong.`

interface DoctorOptions {
  readonly json: boolean
  readonly settleMs: number | undefined
}

/** Also the exit code of a doctor that could not begin. */
const notReadCode = 2

/** The command: prints the report on stdout and resolves with the exit code. */
export async function runDoctor(argv: readonly string[]): Promise<number> {
  try {
    const { json, settleMs } = readArguments(argv)
    const config = loadConfig('doctor')
    // Nothing but the report goes to stdout; what failed is in it.
    const logger = createLogger({ level: 'silent', role: 'doctor', instance: config.HOSTNAME })
    const { sources, close } = await openInvariantSources(config, logger)
    try {
      const report = reportOf(await examine(sources, { settleMs }))
      process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : inWords(report))
      return exitCodeOf(report)
    } finally {
      await close()
    }
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    process.stderr.write(`${error.code}: ${error.message} ${error.remedy}\n`)
    return notReadCode
  }
}

export interface DoctorReport {
  readonly violations: readonly Violation[]
  /** Only kinds with violations. */
  readonly counts: Readonly<Partial<Record<ViolationKind, number>>>
  readonly unread: readonly { readonly store: string; readonly code: string; readonly message: string }[]
  /** What was looked at; a store that was not read has none. */
  readonly seen: { readonly pods?: number; readonly sessions?: number; readonly pools?: number }
}

export function reportOf({ violations, snapshot, unread }: Examination): DoctorReport {
  const byKind = Map.groupBy(violations, ({ kind }) => kind)
  const counts = violationKinds.flatMap((kind) => {
    const found = byKind.get(kind)
    return found ? [[kind, found.length] as const] : []
  })
  return {
    violations,
    counts: Object.fromEntries(counts),
    unread: unread.map(({ store, error }) => ({ store, ...problemOf(error) })),
    seen: {
      ...(snapshot.pods && { pods: snapshot.pods.pods.length }),
      ...(snapshot.ledger && { sessions: snapshot.ledger.sessions.length }),
      ...(snapshot.index && { pools: snapshot.index.length }),
    },
  }
}

/** A store that was not read may hide anything, but a violation that was found is one all the same. */
export function exitCodeOf({ unread, violations }: DoctorReport): number {
  if (unread.length > 0) return notReadCode
  return violations.length > 0 ? 1 : 0
}

export function inWords({ violations, counts, unread, seen }: DoctorReport): string {
  const lines = violations.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`)
  for (const { store, code, message } of unread) lines.push(`${store} was not read: ${code}: ${message}`)
  const looked = Object.entries(seen).map(([what, count]) => `${count} ${what}`)
  const kinds = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`)
  const total =
    violations.length === 0 ? 'no violations' : `${violations.length} violations (${kinds.join(', ')})`
  lines.push(`${total} in ${looked.length === 0 ? 'nothing' : looked.join(', ')}`)
  return `${lines.join('\n')}\n`
}

/** The code, and the sentence of whatever stood in the way. */
function problemOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof GreenroomError)) return { code: 'GRN_INTERNAL', message: sentenceOf(error) }
  const cause = error.cause === undefined ? '' : ` (${sentenceOf(error.cause)})`
  return { code: error.code, message: `${error.message}${cause}` }
}

function sentenceOf(error: unknown): string {
  // A refused connection to several addresses has its sentences one level below.
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}

function readArguments(argv: readonly string[]): DoctorOptions {
  try {
    const { json, 'settle-ms': settle } = parseArgs({
      args: [...argv],
      options: { json: { type: 'boolean', default: false }, 'settle-ms': { type: 'string' } },
    }).values
    if (settle !== undefined && !/^\d{1,7}$/.test(settle))
      throw new TypeError('--settle-ms: expected a number of milliseconds')
    return { json, settleMs: settle === undefined ? undefined : Number(settle) }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}`)
  }
}
