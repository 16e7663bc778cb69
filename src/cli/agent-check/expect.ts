import { type Answer, inWords } from './contract-call.ts'
import { RuleBroken } from './contract-rule.ts'
import type { Trial } from './trial.ts'

/** What rules ask of answers. Each throws RuleBroken with what was seen instead. */

/** `what`: what the agent was given, for the case that it is answered otherwise. */
export function expectStatus(answer: Answer, wanted: number, what: string): string {
  if (answer.status !== wanted) throw new RuleBroken(`${what}: ${inWords(answer)}, not ${wanted}`)
  return `answered ${wanted}`
}

/** 200 and the echo of pod, session and epoch. */
export function expectEcho(
  answer: Answer,
  expected: { podUid: string; sessionId: string; epoch: number },
  what = 'an assignment',
): string {
  expectStatus(answer, 200, what)
  const echo = readObject(answer.body)
  for (const field of ['podUid', 'sessionId', 'epoch'] as const) {
    if (echo[field] !== expected[field]) {
      throw new RuleBroken(
        `${what}: the echo's ${field} is ${JSON.stringify(echo[field])}, not ${JSON.stringify(expected[field])}`,
      )
    }
  }
  return `answered 200 with the echo in ${Math.round(answer.tookMs)} ms`
}

/** GET of a probe: this status, and `{"status": …}` with 200. */
export async function expectProbe(trial: Trial, path: string, status: string): Promise<string> {
  const answer = await trial.get(path)
  expectStatus(answer, 200, `GET ${path}`)
  const found = readObject(answer.body).status
  if (found !== status)
    throw new RuleBroken(`GET ${path}: "status" is ${JSON.stringify(found)}, not "${status}"`)
  return `answered 200 {"status":"${status}"}`
}

/** After a refusal: the agent still takes the same assignment as its own. */
export async function expectStillServing(trial: Trial, what: string): Promise<void> {
  const session = sessionOf(trial)
  expectEcho(await trial.assign(session), session, `its own session again, after ${what}`)
}

export function sessionOf({ session }: Trial) {
  if (!session) throw new Error('this rule needs an agent that serves a session')
  return session
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // As below.
  }
  throw new RuleBroken('answered 200, but not with a JSON object')
}
