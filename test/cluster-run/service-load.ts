import { setTimeout } from 'node:timers/promises'
import { type BedAnswer, type BedCall, createBedClient } from '../../bed/replicas/bed-client.ts'
import type { Answer, History } from '../support/history.ts'
import { createRecordedCaller, type Heard, type RecordedCaller } from '../support/recorded-caller.ts'

/** Callers of the session API through one address, and what they were answered. */

export const agentType = 'echo-agent'
/** Its pool never has a pod. */
const absentType = 'absent-agent'

export interface Exchange {
  /** What was asked, and over what: `renew, kept`. */
  readonly what: string
  readonly atMs: number
  readonly ms: number
  /** `refused`: a waiter was told truthfully that there was no pod and when to come back. */
  readonly verdict: 'ok' | 'refused' | 'failed'
  readonly detail: string
}

export interface ServiceLoad {
  /** Ends what is under way in its regular course. */
  stop(): Promise<void>
  exchanges(): readonly Exchange[]
  /** Sessions opened before, renewed all the time, and not ended. */
  readonly held: readonly Answer[]
}

interface LoadOptions {
  readonly url: string
  readonly apiKey: string
  readonly history: History
}

interface Callers {
  readonly options: LoadOptions
  readonly signal: AbortSignal
  readonly note: (what: string, heard: Heard, wasWaiting?: boolean) => boolean
}

const conversations = 4
const heldSessions = 4
/** With the pauses between them a session lasts ten seconds: a pod is claimed every other second, and none lacks. */
const renewals = 40
const renewEveryMs = 250
/** Short, so that agents renew several times while replicas are replaced. */
const heldLeaseSeconds = 12
const readEveryMs = 50
/** Longer than a replica takes to drain: every waiter of a replica that goes is sent away. */
const waitMs = 20_000
/** A waiter's request lasts the longest. */
const requestTimeoutMs = 30_000

/** Half of the callers with one kept connection each, half with a new one for every request. */
export async function startServiceLoad(options: LoadOptions): Promise<ServiceLoad> {
  const begun = performance.now()
  const exchanges: Exchange[] = []
  const stopping = new AbortController()
  const note: Callers['note'] = (what, heard, wasWaiting = false) => {
    const { outcome, status, retryAfterMs, ms } = heard
    const isRefusal = wasWaiting && status === 503 && retryAfterMs !== undefined && outcome.type === 'fail'
    const verdict = outcome.type === 'ok' ? 'ok' : isRefusal ? 'refused' : 'failed'
    const detail = outcome.type === 'ok' ? `${status}` : `${status} ${outcome.code}`
    exchanges.push({ what, atMs: performance.now() - begun, ms, verdict, detail })
    return verdict === 'ok'
  }
  const callers = { options, signal: stopping.signal, note }
  const keepers = Array.from({ length: heldSessions }, (_, n) => callerOf(options, conversations + n))
  const held = await Promise.all(keepers.map((keeper, n) => openHeld(keeper, n, callers)))
  const work = [
    ...Array.from({ length: conversations }, (_, n) => converse(callerOf(options, n), n, callers)),
    ...keepers.map((keeper, n) => keep(keeper, n, held[n] as Answer, callers)),
    readPools(true, callers),
    readPools(false, callers),
    waitForPods(callers),
    waitForEnd(held[0] as Answer, callers),
  ]
  return {
    held,
    exchanges: () => exchanges,
    async stop() {
      stopping.abort()
      await Promise.all(work)
    },
  }
}

function isKept(n: number): boolean {
  return n % 2 === 0
}

function over(n: number): string {
  return isKept(n) ? 'kept' : 'fresh'
}

function callerOf({ url, apiKey, history }: LoadOptions, n: number): RecordedCaller {
  return createRecordedCaller({
    url,
    apiKey,
    history,
    process: n,
    keepAlive: isKept(n),
    timeoutMs: requestTimeoutMs,
  })
}

/** Opens, renews and ends, again and again. */
async function converse(
  caller: RecordedCaller,
  n: number,
  { options, signal, note }: Callers,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    const heard = await caller.open(`talk-${n}-${turn}`, { agentType, leaseSeconds: 30 })
    const wasWaiting = heard.outcome.type === 'fail' && (await isPoolEmpty(options))
    if (!note(`open, ${over(n)}`, heard, wasWaiting) || heard.outcome.type !== 'ok') {
      // Without a time to come back a pause, so that an outage is not a storm.
      await pause(heard.retryAfterMs ?? renewEveryMs, signal)
      continue
    }
    const { answer } = heard.outcome
    for (let time = 0; time < renewals && !signal.aborted; time += 1) {
      await pause(renewEveryMs, signal)
      note(`renew, ${over(n)}`, await caller.renew(answer))
    }
    note(`end, ${over(n)}`, await caller.end(answer))
  }
  caller.close()
}

/** Too few to say whether the last one was there a moment ago. */
const fewPods = 1

/** Whether it is true that a caller could not have a pod. */
async function isPoolEmpty(options: LoadOptions): Promise<boolean> {
  const client = createBedClient({ ...options, keepAlive: false, timeoutMs: requestTimeoutMs })
  const { status, body } = await client.pool(agentType)
  client.close()
  return status === 200 && body.ready <= fewPods
}

async function openHeld(keeper: RecordedCaller, n: number, { note }: Callers): Promise<Answer> {
  const heard = await keeper.open(`held-${n}`, { agentType, leaseSeconds: heldLeaseSeconds })
  if (!note(`open, ${over(n)}`, heard) || heard.outcome.type !== 'ok')
    throw new Error(`no session to hold: ${JSON.stringify(heard)}`)
  return heard.outcome.answer
}

/** Pauses of every length up to the regular one: what a replica closes may be idle or busy at that moment. */
async function keep(
  keeper: RecordedCaller,
  n: number,
  held: Answer,
  { signal, note }: Callers,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    await pause((heldLeaseSeconds * 1_000 * ((turn % 8) + 1)) / 24, signal)
    note(`renew, ${over(n)}`, await keeper.renew(held))
  }
  keeper.close()
}

async function readPools(keepAlive: boolean, { options, signal, note }: Callers): Promise<void> {
  const client = createBedClient({ ...options, keepAlive, timeoutMs: requestTimeoutMs })
  while (!signal.aborted) {
    note(`read, ${keepAlive ? 'kept' : 'fresh'}`, await heardOf(client.pool(agentType)))
    await pause(readEveryMs, signal)
  }
  client.close()
}

/** Waits at a pool that stays empty: its answer says so, or that this replica goes; either names a time to come back. */
async function waitForPods({ options, signal, note }: Callers): Promise<void> {
  const client = createBedClient(options)
  while (!signal.aborted) {
    const open: BedCall = {
      method: 'POST',
      path: '/v1/sessions',
      body: { agentType: absentType, onEmpty: 'wait', waitMs },
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
    }
    const heard = await heardOf(client.call(open))
    // It hung up itself, because the run is over.
    if (signal.aborted) break
    note('wait for a pod, kept', heard, true)
    await pause(renewEveryMs, signal)
  }
  client.close()
}

/** Follows a session that goes on: each answer, also that of a replica that goes, is the session as it is. */
async function waitForEnd({ session }: Answer, { options, signal, note }: Callers): Promise<void> {
  const client = createBedClient(options)
  while (!signal.aborted) {
    const path = `/v1/sessions/${session}?waitFor=ENDED&waitMs=${waitMs}`
    const timely = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
    const heard = await heardOf(client.call({ method: 'GET', path, signal: timely }))
    if (signal.aborted) break
    note('follow, kept', heard)
    await pause(renewEveryMs, signal)
  }
  client.close()
}

/** An answer to what is not in the history, in the same form. */
async function heardOf(asked: Promise<BedAnswer>): Promise<Heard> {
  const begun = performance.now()
  try {
    const { status, headers, body, ms } = await asked
    const retryAfter = headers['retry-after']
    const retryAfterMs = retryAfter === undefined ? undefined : Number(retryAfter) * 1_000
    const answer = { session: body.id ?? '', pod: '', epoch: 0, live: true }
    const isOk = status >= 200 && status < 300
    const outcome = isOk ? ({ type: 'ok', answer } as const) : ({ type: 'fail', code: body.code } as const)
    return { outcome, status, retryAfterMs, ms }
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException
    const outcome = { type: 'unknown', code: code ?? name } as const
    return { outcome, status: 0, retryAfterMs: undefined, ms: performance.now() - begun }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // The end of the run cuts it short.
  await setTimeout(ms, undefined, { signal }).catch(() => undefined)
}
