import t, { type Test } from 'tap'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { judgedNamespaces, livePods, pooledPods, readPod } from '../../src/cluster/live-pods.ts'
import { startFakeApiServer } from './fake-api-server.ts'

async function bed(test: Test) {
  const fake = await startFakeApiServer()
  const clients = createKubeClients({ access: fake.access })
  test.teardown(async () => {
    clients.close()
    await fake.stop()
  })
  return { fake, clients }
}

void t.test('pods to be judged come page by page, with every field as it is on the wire', async (t) => {
  const { fake, clients } = await bed(t)
  fake.pageSize = 2
  const spec = { containers: [], fieldOfTomorrow: { allowed: true } }
  for (const name of ['a', 'b', 'c'])
    fake.put(name, { spec, metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } })
  const pages = await Array.fromAsync(livePods(clients.transport, 'n'))
  t.same(
    pages.map((page) => page.length),
    [2, 1],
  )
  t.match(pages[0]?.[0], { spec, metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' } })
  t.equal(fake.lists[0]?.get('fieldSelector'), 'status.phase!=Succeeded,status.phase!=Failed')
  // Why the typed client does not do it.
  const { items } = await clients.core.listNamespacedPod({ namespace: 'n' })
  t.notOk('fieldOfTomorrow' in (items[0]?.spec ?? {}))
})

void t.test('the pods of all pools, of all pages', async (t) => {
  const { fake, clients } = await bed(t)
  fake.pageSize = 1
  for (const name of ['a', 'b']) fake.put(name, { metadata: { labels: { 'greenroom.dev/pool': 'p' } } })
  fake.put('of-no-pool')
  const found = await pooledPods(clients.transport, 'n')
  t.same(
    found.map(({ name, agentType }) => `${agentType}/${name}`),
    ['p/a', 'p/b'],
  )
  t.equal(fake.lists[0]?.get('labelSelector'), 'greenroom.dev/managed=true')
})

void t.test('namespaces with agents', async (t) => {
  const { fake, clients } = await bed(t)
  for (const name of ['one', 'two']) fake.put(name)
  t.same(await judgedNamespaces(clients), ['one', 'two'])
  t.equal(fake.lists[0]?.get('labelSelector'), 'greenroom.dev/agents=enabled')
})

void t.test('no answer, whatever was asked', async (t) => {
  const { fake, clients } = await bed(t)
  fake.listFault = () => ({ status: 500, body: 'broken' })
  const expected = { code: 'GRN_KUBERNETES_UNAVAILABLE', message: 'the API server answered 500.' }
  await t.rejects(Array.fromAsync(livePods(clients.transport, 'n')), expected)
  await t.rejects(pooledPods(clients.transport, 'n'), expected)
  await t.rejects(judgedNamespaces(clients), expected)
  await t.rejects(readPod(clients.transport, 'n', 'p'), expected)
})
