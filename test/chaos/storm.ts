import { setTimeout as pause } from 'node:timers/promises'
import type { Answer, History } from '../support/history.ts'
import { createRecordedCaller, type Heard, type RecordedCaller } from '../support/recorded-caller.ts'
import { createSeededRandom, type SeededRandom } from '../support/seeded-random.ts'

/**
 * Callers as they are: most keep what they opened and give it back, some wait, hang up, or forget. Some open cold, and
 * some bring secrets.
 */

interface StormOptions {
  readonly url: string
  readonly apiKey: string
  readonly agentType: string
  readonly history: History
  readonly callers: number
  readonly seed: number
  /** In the metadata of every open, which is kept, and in every secret, which is not. */
  readonly marks: { readonly kept: string; readonly secret: string }
  /** Ends the storm: what is under way is finished, nothing new begun. */
  readonly signal: AbortSignal
}

/** Longer than any open may take (5 s and its wait): what a stopped replica holds is given up. */
const timeoutMs = 9_000
/** A caller that gets no session within this time has better things to do. */
const patienceMs = 25_000
const retryPauseMs = 500
const leaseSeconds = 20
/** Of one look at a cold open; less than a request may take. */
const coldLookMs = 3_000

export async function runStorm(options: StormOptions): Promise<void> {
  const { callers, seed } = options
  await Promise.all(Array.from({ length: callers }, (_, process) => storm(options, process, seed + process)))
}

async function storm(options: StormOptions, process: number, seed: number): Promise<void> {
  const { signal, agentType, marks } = options
  const random = createSeededRandom(seed)
  const caller = createRecordedCaller({ ...options, process, keepAlive: process % 2 === 0, timeoutMs })
  try {
    for (let turn = 0; !signal.aborted; turn += 1) {
      const key = `chaos-${seed}-${turn}`
      const onEmpty = random.weighted([
        ['wait', 3],
        ['cold', 4],
        ['fail', 1],
      ])
      const waitMs = onEmpty === 'cold' ? 0 : 3_000
      const metadata = { turn, mark: marks.kept }
      const secrets = random.chance(0.4) ? { KEY: `${marks.secret}-${key}` } : undefined
      const body = { agentType, onEmpty, waitMs, leaseSeconds, metadata, ...(secrets && { secrets }) }
      const opened = await open(caller, { key, body, random, signal })
      const held = opened?.live && opened.pod === '' ? await untilActive(caller, opened, signal) : opened
      if (held?.live) await hold(caller, held, random, signal)
      await pause(random.between(50, 400))
    }
  } finally {
    caller.close()
  }
}

interface Opening {
  readonly key: string
  readonly body: object
  readonly random: SeededRandom
  readonly signal: AbortSignal
}

/** Asks again under the same key while it may help; undefined when it gave up. */
async function open(
  caller: RecordedCaller,
  { key, body, random, signal }: Opening,
): Promise<Answer | undefined> {
  if (random.chance(0.1)) {
    const hangUp = AbortSignal.timeout(Math.ceil(random.between(0, 40)))
    const heard = await caller.open(key, body, { signal: hangUp })
    if (heard.outcome.type === 'ok') return heard.outcome.answer
    // Half of them are never seen again: what they opened must not stay.
    if (random.chance(0.5)) return undefined
  }
  return persist(() => caller.open(key, body), signal)
}

/** A cold open is answered before it has a pod. A caller that loses patience ends the session. */
async function untilActive(
  caller: RecordedCaller,
  opened: Answer,
  signal: AbortSignal,
): Promise<Answer | undefined> {
  const deadline = performance.now() + patienceMs
  let last = opened
  while (last.live && last.pod === '' && !signal.aborted) {
    if (performance.now() > deadline) {
      await persist(() => caller.end(last), signal)
      return undefined
    }
    const { outcome } = await caller.read(last, coldLookMs)
    if (outcome.type === 'ok') last = outcome.answer
    else await pause(retryPauseMs)
  }
  return last.live && last.pod !== '' ? last : undefined
}

async function hold(
  caller: RecordedCaller,
  held: Answer,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<void> {
  const renewals = Math.floor(random.between(0, 8))
  for (let n = 0; n < renewals && !signal.aborted; n += 1) {
    await pause(random.between(150, 700))
    const { outcome } = await caller.renew(held)
    if (outcome.type === 'fail') return
  }
  // Some forget to give it back.
  if (random.chance(0.12)) return
  await persist(() => caller.end(held), signal)
}

/** Repeats what was not answered or was refused for the moment; what is wrong by itself stays so. */
async function persist(ask: () => Promise<Heard>, signal: AbortSignal): Promise<Answer | undefined> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const { outcome, status, retryAfterMs = retryPauseMs } = await ask()
    if (outcome.type === 'ok') return outcome.answer
    if (status >= 400 && status < 500) return undefined
    if (performance.now() > deadline || signal.aborted) return undefined
    await pause(Math.min(retryAfterMs, retryPauseMs))
  }
}
