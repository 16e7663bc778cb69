import { readFile } from 'node:fs/promises'
import { type PoolDecision, type Replay, replayDecisions } from '../domain/pool-decision.ts'
import { GreenroomError } from '../errors.ts'

type Recorded = { readonly file: string } | { readonly decisions: readonly PoolDecision[] }

/** Replays recorded decisions, prints what came of it, and resolves with the exit code: 1 when one came out differently. */
export async function replayReport(recorded: Recorded): Promise<number> {
  const decisions = 'file' in recorded ? await decisionsIn(recorded.file) : recorded.decisions
  if (decisions.length === 0)
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      'No decision is recorded there, so there is nothing to replay.',
    )
  const replay = replayDecisions(decisions)
  process.stdout.write(`${inWords(replay)}\n`)
  return replay.difference ? 1 : 0
}

function inWords({ replayed, skipped, difference }: Replay): string {
  const gap = skipped === 0 ? '' : `; ${skipped} stand before the first state that is recorded`
  if (!difference) return `${replayed} decisions came out as they were made${gap}.`
  const { decision, found } = difference
  const { agentType, run, step, input, terms } = decision
  const names = [...new Set([...Object.keys(terms), ...Object.keys(found)])] as (keyof typeof terms)[]
  const lines = names
    .filter((name) => terms[name] !== found[name])
    .map((name) => `  ${name}: was ${String(terms[name])}, comes out as ${String(found[name])}`)
  const time = new Date(input.now).toISOString()
  return [`${agentType}, run ${run}, step ${step} at ${time} comes out differently:`, ...lines].join('\n')
}

/** The file that `pools explain --json` printed, or an array of decisions. */
async function decisionsIn(file: string): Promise<readonly PoolDecision[]> {
  const read = await readFile(file, 'utf8')
    .then((text) => JSON.parse(text) as unknown)
    .catch((error: unknown) => {
      const problem = error instanceof Error ? error.message : String(error)
      throw new GreenroomError('GRN_INVALID_CONFIG', `${file} could not be read: ${problem}.`)
    })
  const decisions = Array.isArray(read) ? read : (read as { decisions?: unknown } | null)?.decisions
  if (Array.isArray(decisions) && decisions.every(isDecision)) return decisions
  throw new GreenroomError(
    'GRN_INVALID_CONFIG',
    `${file} has no recorded decisions. Make one with: greenroom pools explain AGENT-TYPE --decisions N --json`,
  )
}

function isDecision(value: unknown): value is PoolDecision {
  if (typeof value !== 'object' || value === null) return false
  const { agentType, run, step, bounds, input, target, terms } = value as Record<string, unknown>
  return (
    typeof agentType === 'string' &&
    typeof run === 'string' &&
    typeof step === 'number' &&
    typeof target === 'number' &&
    [bounds, input, terms].every((part) => typeof part === 'object' && part !== null)
  )
}
