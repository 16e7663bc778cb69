import { styleText } from 'node:util'
import {
  type BrokenInvariant,
  type InvariantKind,
  invariantKinds,
} from '../domain/invariants/broken-invariant.ts'
import type { Examination } from '../domain/invariants/examine-invariants.ts'
import { GreenroomError } from '../errors.ts'
import { sentenceOf } from './doctor-checks/doctor-check.ts'
import type { CheckReport } from './doctor-checks/run-checks.ts'
import { exitCode } from './line/exit-code.ts'

/** The JSON that `doctor --json` prints: its keys are public. */
export interface DoctorReport {
  /** The broken invariants. The key is older than that word. */
  readonly violations: readonly BrokenInvariant[]
  /** Only kinds that are broken. */
  readonly counts: Readonly<Partial<Record<InvariantKind, number>>>
  readonly unread: readonly { readonly store: string; readonly code: string; readonly message: string }[]
  /** What was read; a store that was not read has no entry. */
  readonly seen: { readonly pods?: number; readonly sessions?: number; readonly pools?: number }
  /** Versions, rights, certificates, clocks, settings, … */
  readonly checks: readonly CheckReport[]
}

/** Without an examination the invariants were not looked at. */
export function doctorReport(
  examination: Examination | undefined,
  checks: readonly CheckReport[],
): DoctorReport {
  const { broken = [], snapshot, unread = [] } = examination ?? {}
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
      ...(snapshot?.pods && { pods: snapshot.pods.pods.length }),
      ...(snapshot?.ledger && { sessions: snapshot.ledger.sessions.length }),
      ...(snapshot?.index && { pools: snapshot.index.length }),
    },
    checks,
  }
}

/** A store that was not read may hide anything, so it weighs more than what was found. A warning is no failure. */
export function doctorExitCode({ unread, violations, checks }: DoctorReport): number {
  if (unread.length > 0) return exitCode.unreachable
  return violations.length > 0 || checks.some(({ state }) => state === 'failed')
    ? exitCode.found
    : exitCode.done
}

interface WordsOptions {
  /** Of the terminal; undefined where lines are not broken, as in a file. */
  readonly columns: number | undefined
  readonly invariants: boolean
}

/** The report for people: the table of checks, then the broken invariants, then what was looked at. */
export function doctorInWords(report: DoctorReport, { columns, invariants }: WordsOptions): string {
  const lines = report.checks.length > 0 ? checkLines(report.checks, columns) : []
  return `${[...lines, ...(invariants ? invariantLines(report) : [])].join('\n')}\n`
}

function invariantLines({ violations, counts, unread, seen }: DoctorReport): string[] {
  const lines = violations.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`)
  for (const { store, code, message } of unread) lines.push(`${store} was not read: ${code}: ${message}`)
  const looked = Object.entries(seen).map(([what, count]) => `${count} ${what}`)
  const kinds = Object.entries(counts).map(([kind, count]) => `${kind} ${count}`)
  const total =
    violations.length === 0
      ? 'no broken invariants'
      : `${violations.length} broken invariants (${kinds.join(', ')})`
  return [...lines, `${total} in ${looked.length === 0 ? 'nothing' : looked.join(', ')}`]
}

const colourOf = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const
type State = CheckReport['state']
const states = Object.keys(colourOf) as State[]
const stateWidth = Math.max(...states.map(({ length }) => length))
/** Below this the third column would be too narrow to read; details stand below their names. */
const narrowColumns = 72

function checkLines(checks: readonly CheckReport[], columns = Number.POSITIVE_INFINITY): string[] {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length))
  const isNarrow = columns < narrowColumns
  const indent = isNarrow ? 2 : stateWidth + nameWidth + 4
  const lines = checks.flatMap(({ state, name, detail, fix }) => {
    const head = `${coloured(state)}  ${isNarrow ? name : name.padEnd(nameWidth)}`
    const texts = [detail, ...(fix === undefined ? [] : [`fix: ${fix}`])]
    const below = texts.flatMap((text) => broken(text, columns - indent))
    const rest = below.map((line) => ' '.repeat(indent) + line)
    return isNarrow ? [head, ...rest] : [`${head}  ${below[0] ?? ''}`, ...rest.slice(1)]
  })
  const counted = states.flatMap((state) => {
    const count = checks.filter((check) => check.state === state).length
    return count > 0 ? [`${count} ${state}`] : []
  })
  return [...lines, `${checks.length} checks: ${counted.join(', ')}`]
}

/** Without colours where stdout is no terminal, or NO_COLOR is set. */
function coloured(state: State): string {
  return styleText(colourOf[state], state.padEnd(stateWidth), { stream: process.stdout })
}

/** Lines of at most `width`, broken at blanks; a longer word has a line of its own. */
function broken(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines.splice(-1, 1, `${last} ${word}`)
    else lines.push(word)
  }
  return lines
}

/** The code, and the sentence of what failed, with its cause. */
function problemOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof GreenroomError)) return { code: 'GRN_INTERNAL', message: sentenceOf(error) }
  const cause = error.cause === undefined ? '' : ` (${sentenceOf(error.cause)})`
  return { code: error.code, message: `${error.message}${cause}` }
}
