import t from 'tap'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { createPodInformer } from '../../src/cluster/pod-informer.ts'
import { startFakeApiServer } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'
import { waitUntil } from './wait-until.ts'

const podOf = (pool: string) => ({ metadata: { labels: { 'greenroom.dev/pool': pool } } })

void t.test('pods by UID and by pool', async (t) => {
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
  await waitUntil('a watch', () => fake.openWatches().length === 1)
  t.equal(fake.lists[0]?.get('labelSelector'), 'greenroom.dev/managed=true')
  t.same(names('a'), ['moving'])

  fake.put('second', podOf('a'))
  fake.put('moving', podOf('b'))
  await waitUntil('moved', () => names('b').length === 1)
  t.same(names('a'), ['second'], 'a pod is in one pool only')
  t.equal(informer.get(moving.metadata.uid)?.agentType, 'b')

  fake.put('second', { metadata: { labels: {} } })
  await waitUntil('left', () => names('a').length === 0)
  t.equal(informer.all().length, 1)
  t.same(changes, ['+moving', '+second', '+moving', '-second'])

  t.equal(informer.staleSince(), undefined)
  fake.listFault = fake.watchFault = () => ({ status: 500, body: '' })
  fake.openWatches()[0]?.cut()
  await waitUntil('stale', () => informer.staleSince() !== undefined)
  t.equal(informer.synced(), true, 'what is known stays in use')
  t.same(names('b'), ['moving'])
})
