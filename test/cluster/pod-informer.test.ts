import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { createPodInformer } from '../../src/cluster/pod-informer.ts'
import { startFakeApiServer } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'

const podOf = (pool: string) => ({ metadata: { labels: { 'greenroom.dev/pool': pool } } })

async function bed(t: Test) {
  const fake = await startFakeApiServer()
  const transport = createKubeTransport(fake.access)
  const { logger } = createLogLines()
  const informer = createPodInformer({
    transport,
    namespace: 'agents',
    logger,
    timing: { backoffMinMs: 5, backoffMaxMs: 20 },
  })
  t.teardown(async () => {
    await informer.stop()
    transport.close()
    await fake.stop()
  })
  return { fake, informer }
}

void t.test('pods by UID and by pool', async (t) => {
  const { fake, informer } = await bed(t)
  const moving = fake.put('moving', podOf('a'))
  fake.put('no-pool')
  const names = (pool: string) =>
    informer
      .byPool(pool)
      .map((pod) => pod.name)
      .sort()
  const changes: string[] = []
  informer.onChange(({ pod, gone }) => changes.push(`${gone ? '-' : '+'}${pod.name}`))
  informer.start()
  await until('a watch', () => fake.openWatches().length === 1)
  t.equal(fake.lists[0]?.get('labelSelector'), 'greenroom.dev/managed=true')
  t.same(names('a'), ['moving'])

  fake.put('second', podOf('a'))
  fake.put('moving', podOf('b'))
  await until('moved', () => names('b').length === 1)
  t.same(names('a'), ['second'], 'a pod is in one pool only')
  t.equal(informer.get(moving.metadata.uid)?.agentType, 'b')

  fake.put('second', { metadata: { labels: {} } })
  await until('left', () => names('a').length === 0)
  t.equal(informer.all().length, 1)
  t.same(changes, ['+moving', '+second', '+moving', '-second'])

  t.equal(informer.staleSince(), undefined)
  fake.listFault = fake.watchFault = () => ({ status: 500, body: '' })
  fake.openWatches()[0]?.cut()
  await until('stale', () => informer.staleSince() !== undefined)
  t.equal(informer.synced(), true, 'what is known stays in use')
  t.same(names('b'), ['moving'])
})

void t.test('a pod whose agent container was replaced is dead, as often as it is seen again', async (t) => {
  const { fake, informer } = await bed(t)
  const running = (containerID: string) => ({
    ...podOf('a'),
    status: { phase: 'Running', containerStatuses: [{ name: 'agent', containerID, state: { running: {} } }] },
  })
  const { uid } = fake.put('pod', running('c1')).metadata
  informer.start()
  await until('a watch', () => fake.openWatches().length === 1)
  const deadReason = () => informer.get(uid)?.deadReason
  fake.put('pod', running('c1'))
  t.equal(deadReason(), undefined)
  fake.put('pod', running('c2'))
  await until('its death', () => deadReason() !== undefined)
  fake.put('pod', running('c2'))
  const seen = informer.counters().lists
  fake.openWatches()[0]?.event('ERROR', { code: 410, message: 'too old' })
  await until('a new list', () => informer.counters().lists > seen && fake.openWatches().length === 1)
  t.match(deadReason(), /was replaced/)
})

void t.test('tells a deletion from a pod that a list lacks, with its last state', async (t) => {
  const { fake, informer } = await bed(t)
  for (const name of ['deleted', 'lacking']) fake.put(name, podOf('a'))
  const ends: unknown[] = []
  informer.onChange(({ pod, gone, absent }) => {
    if (gone) ends.push([pod.name, absent, pod.deadReason])
  })
  informer.start()
  await until('a watch', () => fake.openWatches().length === 1)
  const last = fake.put('deleted', { ...podOf('a'), status: { phase: 'Failed' } }, true)
  fake.openWatches()[0]?.event('DELETED', last)
  fake.remove('deleted', true)
  await until('the deletion', () => ends.length === 1)
  fake.remove('lacking', true)
  fake.openWatches()[0]?.event('ERROR', { code: 410, message: 'too old' })
  await until('the absence', () => ends.length === 2)
  t.same(ends, [
    ['deleted', false, 'pod phase Failed'],
    ['lacking', true, undefined],
  ])
})
