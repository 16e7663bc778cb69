import { parseArgs } from 'node:util'
import { loadConfig } from '../config.ts'
import {
  type BrokenInvariant,
  type InvariantKind,
  invariantKinds,
} from '../domain/invariants/broken-invariant.ts'
import { type Examination, examineInvariants } from '../domain/invariants/examine-invariants.ts'
import { GreenroomError } from '../errors.ts'
import { createLogger } from '../logging.ts'
import { openInvariantSources } from '../roles/invariant-sources.ts'
import { pause } from '../timing/pause.ts'
import type { CommandProgram } from './command.ts'

const usage = `usage: doctor [--json] [--settle-ms N]
Reads Kubernetes, PostgreSQL and Redis and lists every broken invariant: pods claimed twice, sessions without pod, …
--settle-ms N   a finding that may still go away counts after N ms (default: 2 to 10 s, by kind)
Exit code: 0 nothing is broken; 1 an invariant is broken; 2 a store was not read, or arguments or environment are wrong.`

interface DoctorOptions {
  readonly json: boolean
  readonly settleMs: number | undefined
}

/** For a store that was not read, and for wrong arguments or environment. */
const notReadCode = 2

export const doctor: CommandProgram = { usage, run: runDoctor }

/** The command: prints the report on stdout and resolves with the exit code. */
async function runDoctor(argv: readonly string[]): Promise<number> {
  try {
    const { json, settleMs } = readArguments(argv)
    const config = loadConfig('doctor')
    // Only the report goes to stdout; it names the stores that failed.
    const logger = createLogger({ level: 'silent', role: 'doctor', instance: config.HOSTNAME })
    const { sources, close } = await openInvariantSources(config, logger)
    try {
      const report = reportOf(await examineInvariants(sources, { settleMs, ...realTime }))
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

const realTime = {
  epochMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  pause,
}

/** The JSON that `--json` prints: its keys are public. */
export interface DoctorReport {
  /** The broken invariants. The key is older than that word. */
  readonly violations: readonly BrokenInvariant[]
  /** Only kinds that are broken. */
  readonly counts: Readonly<Partial<Record<InvariantKind, number>>>
  readonly unread: readonly { readonly store: string; readonly code: string; readonly message: string }[]
  /** What was read; a store that was not read has no entry. */
  readonly seen: { readonly pods?: number; readonly sessions?: number; readonly pools?: number }
}

function reportOf({ broken, snapshot, unread }: Examination): DoctorReport {
  const byKind = Map.groupBy(broken, ({ kind }) => kind)
  const counts = invariantKinds.flatMap((kind) => {
    const found = byKind.get(kind)
    return found ? [[kind, found.length] as const] : []
  })
  return {
    violations: broken,
    counts: Object.fromEntries(counts),
    unread: unread.map(({ store, error }) => ({ store, ...problemOf(error) })),
    seen: {
      ...(snapshot.pods && { pods: snapshot.pods.pods.length }),
      ...(snapshot.ledger && { sessions: snapshot.ledger.sessions.length }),
      ...(snapshot.index && { pools: snapshot.index.length }),
    },
  }
}

/** A store that was not read may hide anything, so it weighs more than what was found. */
function exitCodeOf({ unread, violations }: DoctorReport): number {
  if (unread.length > 0) return notReadCode
  return violations.length > 0 ? 1 : 0
}

function inWords({ violations, counts, unread, seen }: DoctorReport): string {
  const lines = violations.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`)
  for (const { store, code, message } of unread) lines.push(`${store} was not read: ${code}: ${message}`)
  const looked = Object.entries(seen).map(([what, count]) => `${count} ${what}`)
  const kinds = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`)
  const total =
    violations.length === 0
      ? 'no broken invariants'
      : `${violations.length} broken invariants (${kinds.join(', ')})`
  lines.push(`${total} in ${looked.length === 0 ? 'nothing' : looked.join(', ')}`)
  return `${lines.join('\n')}\n`
}

/** The code, and the sentence of what failed, with its cause. */
function problemOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof GreenroomError)) return { code: 'GRN_INTERNAL', message: sentenceOf(error) }
  const cause = error.cause === undefined ? '' : ` (${sentenceOf(error.cause)})`
  return { code: error.code, message: `${error.message}${cause}` }
}

function sentenceOf(error: unknown): string {
  // A connection that several addresses refused has its sentences one level below.
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
