import { CoreV1Api, type V1ResourceQuota } from '@kubernetes/client-node'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { createSessionCaller } from './session-caller.ts'

/**
 * Pools that do not get their pods, on a real API server with the real webhook: what ops and callers are told, how few
 * writes it costs, and how soon the first pod comes once the cause is gone.
 */

t.setTimeout(300_000)
const echo = { image: 'greenroom:0.1.0', command: ['node', 'src/agent/echo-agent.ts'] }

/** pools.yaml is YAML, and JSON is YAML. */
function poolsOf(pools: Readonly<Record<string, { template: object; min: number }>>): string {
  const entries = Object.entries(pools).map(([type, pool]) => [type, { max: 20, ...pool }])
  return JSON.stringify({ pools: Object.fromEntries(entries) })
}

const healthy = { 'echo-agent': { template: echo, min: 2 } }
const bed = await startBed({ pools: poolsOf(healthy) })
const caller = createSessionCaller(bed)
const { allowEchoIn, client, kubectl, setPools } = caller
const core = bed.plane.admin().makeApiClient(CoreV1Api)
const { namespace } = bed
t.teardown(async () => {
  client.close()
  await bed.stop()
})
await caller.untilIdle(2)

const pool = async (type = 'echo-agent') => (await client.pool(type)).body
const problemOf = (cause: string, type = 'echo-agent') =>
  until(
    `problem ${cause}`,
    async () => {
      const { problem } = await pool(type)
      return problem?.cause === cause && problem
    },
    20_000,
  )
const untilWell = (type = 'echo-agent') =>
  until('no problem', async () => (await pool(type)).problem === undefined, 20_000)
const creates = async () =>
  (await bed.plane.writes()).filter(
    ({ verb, resource, user, dryRun }) =>
      !dryRun && [verb, resource].join() === 'create,pods' && user.endsWith('session-management-sa'),
  )
const podsOf = async (type: string): Promise<number> =>
  JSON.parse(await kubectl('get', 'pods', '-l', `agent-type=${type}`, '-o', 'json')).items.length
/** The row of the base allows its own image alone. */
const described = (name: string) => kubectl('describe', 'configmap', name)
/** It takes 0.1 to 2.1 s, and 4 s beside other tests. The back-off that this must not wait for is 40 s and more. */
const cureBoundMs = 15_000

/** From now until the pool has more pods than it has. */
async function firstPodMs(cure: () => Promise<unknown>): Promise<number> {
  const before = await podsOf('echo-agent')
  await cure()
  const begun = performance.now()
  await until('a pod', async () => (await podsOf('echo-agent')) > before, 30_000)
  return performance.now() - begun
}

void t.test('a document whose pods the API server refuses changes nothing', async (t) => {
  const before = await pool()
  for (const [template, path, words] of [
    [
      { ...echo, image: ' x:1' },
      '/pools/echo-agent/template/image: ',
      // The webhook's words.
      /" x:1".*allowed: greenroom.*rule images/,
    ],
    [
      { ...echo, env: [{ name: 'A=B', value: 'c' }] },
      '/pools/echo-agent/template/env/0: ',
      // The API server's own.
      /is invalid: .*Invalid value/,
    ],
  ] as const) {
    await setPools(poolsOf({ 'echo-agent': { template, min: 5 } }))
    const { configuration } = await until('refused', async () => {
      const now = await pool()
      return now.configuration.problems?.some((problem) => problem.startsWith(path)) && now
    })
    t.match(configuration.problems, [words])
    t.equal(configuration.applied, before.configuration.applied)
    t.match(await pool(), { desired: { min: 2 }, ready: 2 })
  }
  await until('the Event', async () => (await described('agent-pools')).includes('DocumentRejected'))
  await setPools(poolsOf(healthy))
  await until('in force', async () => (await pool()).configuration.problems === undefined)
})

void t.test('pods that do not start: few of them, and everybody is told why', async (t) => {
  const type = 'stella-light'
  await allowEchoIn(type)
  const begun = (await creates()).length
  await setPools(poolsOf({ ...healthy, [type]: { template: { image: 'stella-light:none' }, min: 8 } }))
  const image = await problemOf('image', type)
  t.match(image, {
    message: /^(ErrImagePull|ImagePullBackOff): image "stella-light:none"/,
    remedy: /template\.image/,
  })
  t.ok(Math.abs(Date.now() - Date.parse(image.since)) < 60_000)
  const answer = await client.open({ agentType: type, waitMs: 300 })
  t.equal(answer.status, 503)
  t.match(answer.body.detail, /Since .* image: .*stella-light:none/)
  t.equal(await podsOf(type), 1, 'one pod tries, not eight')
  t.equal((await creates()).length - begun, 1, 'one pod was made, not eight')

  await setPools(
    poolsOf({ ...healthy, [type]: { template: { ...echo, command: ['sh', '-c', 'exit 3'] }, min: 8 } }),
  )
  const crash = await problemOf('crash', type)
  t.match(crash, { message: /container agent ended: Error \(exit code 3\)/ })
  await until('the next try', async () => (await pool(type)).problem?.nextTryAt !== undefined)
  const events = await until('both Events', async () => {
    const text = await described('agent-pools')
    return text.includes('exit code 3') && text.includes('stella-light:none') && text
  })
  t.notMatch(events.slice(events.indexOf('Events:')), /stella-light-[bcdfghjklmnpqrstvwxz2456789]{5}\b/)

  await setPools(poolsOf({ ...healthy, [type]: { template: echo, min: 1 } }))
  await until('a pod', async () => (await pool(type)).ready === 1, 30_000)
  await untilWell(type)
  await setPools(poolsOf(healthy))
})

void t.test('a LimitRange that the rows break is told although nothing is missing', async (t) => {
  const limits = [{ type: 'Container', max: { cpu: '100m' } }]
  await core.createNamespacedLimitRange({
    namespace,
    body: { metadata: { name: 'tight' }, spec: { limits } },
  })
  t.match(await problemOf('limit-range'), { message: /maximum cpu usage per Container is 100m/ })
  t.equal((await pool()).ready, 2)
  await setPools(poolsOf({ 'echo-agent': { template: echo, min: 3 } }))
  await until('bound', async () => (await pool()).boundBy === 'limit-range')
  const ms = await firstPodMs(() => core.deleteNamespacedLimitRange({ name: 'tight', namespace }))
  t.ok(ms < cureBoundMs, `${ms} ms`)
  await untilWell()
  await setPools(poolsOf(healthy))
  await caller.untilIdle(2)
})

void t.test(
  'a full quota is told before a create is refused, and a pod comes as soon as there is room',
  async (t) => {
    const name = 'few'
    // No controller manager runs here: the test writes the status that it would write.
    const write = async (pods: string, used: string) => {
      const body: V1ResourceQuota = {
        metadata: { name },
        spec: { hard: { pods } },
        status: { hard: { pods }, used: { pods: used } },
      }
      await core.replaceNamespacedResourceQuotaStatus({ name, namespace, body })
    }
    await core.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name }, spec: { hard: { pods: '4' } } },
    })
    const refused = async () => (await creates()).filter(({ code }) => code === 403).length
    const refusedBefore = await refused()
    // Two agents, and two pods of others.
    await write('4', '4')
    await until('the quota to be seen', async () => (await pool()).quotaPods === 2)
    await setPools(poolsOf({ 'echo-agent': { template: echo, min: 5 } }))
    t.match(await problemOf('quota'), { message: 'quota few: pods allows 2', remedy: /ResourceQuota/ })
    t.match(await pool(), { boundBy: 'quota', quotaPods: 2, ready: 2 })

    const ms = await firstPodMs(() => write('5', '4'))
    t.ok(ms < cureBoundMs, `${ms} ms after the quota was raised`)
    await until('bound again', async () => (await pool()).problem?.message === 'quota few: pods allows 3')
    t.equal(await refused(), refusedBefore, 'no create was refused')
    const events = await until('the Event', async () => {
      const text = await described('agent-pools')
      return text.includes('QuotaNear') && text
    })
    t.match(
      events,
      /QuotaNear .*echo-agent: ResourceQuota few is nearly used up: pods allows 2 pods, and there are 2/,
    )

    const msDeleted = await firstPodMs(() => core.deleteNamespacedResourceQuota({ name, namespace }))
    t.ok(msDeleted < cureBoundMs, `${msDeleted} ms after the quota was deleted`)
    await untilWell()
    await until('no bound', async () => (await pool()).quotaPods === undefined)
    t.equal((await pool()).boundBy, undefined)
    await caller.untilIdle(5)
    t.match(await client.call({ method: 'GET', path: '/v1/pools' }).then(({ body }) => body.pools), [
      { agentType: 'echo-agent', problem: undefined },
    ])
  },
)

void t.test(
  'the webhook is away: one create each two seconds, and a pod as soon as it is back',
  async (t) => {
    const webhook = bed.roles.get('webhook')
    const pid = webhook?.pid() ?? 0
    const begun = (await creates()).length
    // Stopped, not killed: its listener takes connections and answers none.
    process.kill(pid, 'SIGSTOP')
    t.teardown(() => process.kill(pid, 'SIGCONT'))
    await setPools(poolsOf({ 'echo-agent': { template: echo, min: 7 } }))
    const problem = await problemOf('webhook')
    t.match(problem, { message: /failed calling webhook/, remedy: /webhook/ })
    await until('some tries', async () => ((await pool()).problem?.count ?? 0) >= 3, 60_000)
    const seconds = (Date.now() - Date.parse(problem.since)) / 1_000
    const tries = (await creates()).length - begun
    // The first batch is what was missing; after it one pod tries.
    t.ok(tries <= 5 + 2 + seconds / 2, `${tries} creates in ${seconds} s`)
    const ms = await firstPodMs(async () => process.kill(pid, 'SIGCONT'))
    t.ok(ms < cureBoundMs, `${ms} ms`)
    await caller.untilIdle(7)
    await untilWell()
  },
)

void t.test(
  'the API server is away: warm claims go on, and the refill comes as soon as it is back',
  async (t) => {
    const before = await podsOf('echo-agent')
    await bed.plane.killApiServer()
    await caller.open()
    t.match(await problemOf('api'), { message: /the API server cannot be reached/, remedy: /API server/ })
    // Shorter than the leader may go without its lease.
    await until('some tries', async () => ((await pool()).problem?.count ?? 0) >= 3)
    await bed.plane.startApiServerAgain()
    const begun = performance.now()
    const count = () => podsOf('echo-agent').catch(() => 0)
    await until('a pod', async () => (await count()) > before, 30_000)
    const ms = performance.now() - begun
    t.ok(ms < cureBoundMs, `${ms} ms`)
    await untilWell()
  },
)

void t.test('a row of the policy whose pod the API server refuses is told on the policy', async (t) => {
  const policy = JSON.parse(await kubectl('get', 'configmap', 'agent-policy', '-o', 'json')).data[
    'policy.yaml'
  ]
  const setClass = async (name: string) => {
    const broken = policy.replace(
      /\n {2}default:\n {4}resources:/,
      `\n  default:\n    priorityClassName: ${name}\n    resources:`,
    )
    const patch = JSON.stringify({ data: { 'policy.yaml': broken } })
    await kubectl('patch', 'configmap', 'agent-policy', '--type=merge', '-p', patch)
  }
  const told = (name: string) =>
    until(
      `the Event about ${name}`,
      async () =>
        new RegExp(`PodsRefused .*default: denied: .*no PriorityClass with name ${name}\\b`).test(
          await described('agent-policy'),
        ),
      30_000,
    )
  await setClass('no-such-class')
  await told('no-such-class')

  // Nobody can judge the first trial, as after an outage when the webhook hears of the policy later than the controller.
  const pid = bed.roles.get('webhook')?.pid() ?? 0
  await setClass('not-this-one-either')
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => process.kill(pid, 'SIGCONT'))
  const unjudged = async () =>
    (await bed.plane.writes()).filter(({ dryRun, code }) => dryRun && code === 500).length
  const before = await unjudged()
  await until('a trial that nobody judged', async () => (await unjudged()) > before, 20_000)
  process.kill(pid, 'SIGCONT')
  await told('not-this-one-either')
})
