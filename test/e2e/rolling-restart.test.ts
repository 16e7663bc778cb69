import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { type Answer, createHistory } from '../support/history.ts'
import { assertInvariants } from '../support/invariants.ts'
import { violationsOf } from '../support/linearizability.ts'
import { createRecordedCaller, type Heard, type RecordedCaller } from '../support/recorded-caller.ts'

/** A new version is rolled out under load: callers must not notice. */

// Forty pods are started in it, and eighteen processes.
t.setTimeout(300_000)
const min = 16
const bed = await startBed({
  replicas: 3,
  balanced: true,
  pools: poolsDocument({ min, max: 60 }),
  // Longer than the balancer takes to look, and than the longest pause of a caller between two requests.
  apiEnv: { GREENROOM_DRAIN_MS: '1500' },
})
const url = bed.balancer?.url ?? ''
const client = createBedClient({ url, apiKey: bed.apiKey, keepAlive: false })
t.teardown(async () => {
  client.close()
  await bed.stop()
})
const agentType = 'echo-agent'

async function untilFull(): Promise<void> {
  await until(
    'a full pool',
    async () => {
      const { ready, claimed, draining } = (await client.pool(agentType)).body
      return ready >= min && claimed === 0 && draining === 0
    },
    100_000,
  )
}
await untilFull()

/** Renewals of one session; with the pauses between them a session lasts about five seconds. */
const renewals = 32
const renewEveryMs = 150

void t.test('all three replicas are restarted in turn under load, and not one request fails', async (t) => {
  const history = createHistory()
  const failures: string[] = []
  let answers = 0
  let waits = 0
  const stopping = new AbortController()
  const note = (what: string, heard: Heard) => {
    answers += 1
    if (heard.outcome.type !== 'ok') failures.push(`${what}: ${heard.status} ${heard.outcome.code}`)
    return heard.outcome.type === 'ok' ? heard.outcome.answer : undefined
  }

  /** It waited and got no pod, or another replica answered for it: a true answer if there was no pod. */
  async function wasWaiting({ outcome, retryAfterMs }: Heard): Promise<boolean> {
    if (outcome.type === 'ok' || retryAfterMs === undefined) return false
    if (!['GRN_SHUTTING_DOWN', 'GRN_POOL_EMPTY'].includes(outcome.code)) return false
    return (await client.pool(agentType)).body.ready <= 2
  }

  /** Of an open: as a caller would, again after the time it was told. */
  async function open(caller: RecordedCaller, key: string): Promise<Answer | undefined> {
    while (!stopping.signal.aborted) {
      const heard = await caller.open(key, { agentType })
      if (!(await wasWaiting(heard))) return note('open', heard)
      waits += 1
      await pause(heard.retryAfterMs)
    }
    return undefined
  }

  async function useSessions(caller: RecordedCaller, process: number): Promise<void> {
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      const held = await open(caller, `k${process}-${turn}`)
      if (!held) continue
      for (let n = 0; n < renewals && !stopping.signal.aborted; n += 1) {
        await pause(renewEveryMs)
        note('renew', await caller.renew(held))
      }
      note('end', await caller.end(held))
    }
  }

  // Half with one kept connection each, half with a new one for every request.
  const callers = Array.from({ length: 4 }, (_, process) =>
    createRecordedCaller({
      url,
      apiKey: bed.apiKey,
      history,
      process,
      keepAlive: process % 2 === 0,
      timeoutMs: 30_000,
    }),
  )
  const load = callers.map((caller, process) => useSessions(caller, process))
  for (const [n, apiUrl] of bed.apiUrls.entries()) {
    const replica = bed.roles.get(`api-${n + 1}`)
    history.fault(`SIGTERM api-${n + 1}`)
    await replica?.restart('SIGTERM')
    await until(`api-${n + 1}`, () => bed.balancer?.ready().includes(apiUrl), 30_000)
  }
  stopping.abort()
  await Promise.all(load)
  for (const caller of callers) caller.close()

  t.same(failures, [], `of ${answers} requests`)
  t.comment(`${answers} answers; ${waits} waited for a pod and were told to come back`)
  t.ok(answers > 100, 'there was load')
  t.same(violationsOf(history.entries()), [])
  const pods = new Map<string, string>()
  for (const entry of history.entries()) {
    if (entry.type !== 'ok') continue
    const { pod, session } = entry.answer
    if ((pods.get(pod) ?? session) !== session) t.fail(`${pod} serves two sessions`)
    pods.set(pod, session)
  }
  t.ok(pods.size > callers.length, `${pods.size} pods, each with one session`)
  await untilFull()
  await assertInvariants(t, bed)
})

void t.test('whoever waits at a replica that is stopped is told to try another', async (t) => {
  // This pool has no pods and gets none: nothing but the stop can end the wait.
  const replica = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })
  t.teardown(() => replica.close())
  const waiting = replica.open({ agentType: 'stella-light', onEmpty: 'wait', waitMs: 60_000 })
  await until('the waiter', async () => {
    const { body } = await client.pool('stella-light')
    return (body as { waiting?: number }).waiting === 1
  })
  const restarting = bed.roles.get('api-1')?.restart('SIGTERM')
  const answer = await waiting
  t.match(answer, { status: 503, body: { code: 'GRN_SHUTTING_DOWN' } })
  t.match(answer.headers['retry-after'], /^\d+$/)
  t.equal(answer.headers.connection, 'close', 'the next request comes in over another connection')
  await restarting
})
