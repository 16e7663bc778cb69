import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serverUsername } from '../../bed/replicas/greenroom-processes.ts'
import { agentsNamespace } from '../../bed/replicas/installation.ts'
import { root } from '../../bed/repository.ts'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import type { AuditFact } from '../../src/domain/audit.ts'
import type { Caller } from '../../src/domain/caller.ts'
import { createPoolSteering } from '../../src/roles/pool-steering.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { startApi } from '../http/api-bed.ts'
import { callerOf } from '../http/tenant-bed.ts'
import { startClusterBed } from '../integration/cluster-bed.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'

/** A real API server with the session server's own rights, and a real PostgreSQL. */

const { plane } = await startClusterBed(t, 'pool-steering')
const database = await startDatabase(t)
await plane.createNamespace(agentsNamespace)
await plane.apply([join(root, 'manifests/base/session-server/rbac.yaml')])
const access = await loadKubeAccess({ KUBECONFIG: await plane.kubeconfigFor(serverUsername) })
const clients = createKubeClients({ access })
t.teardown(() => clients.close())
for (const name of ['editor', 'reader'])
  await plane.kubectl(['create', 'serviceaccount', name, '-n', agentsNamespace])
await plane.kubectl(
  'create role edit-pools --verb=update --resource=configmaps --resource-name=agent-pools -n ai-agents'.split(
    ' ',
  ),
)
await plane.kubectl(
  'create rolebinding edit-pools --role=edit-pools --serviceaccount=ai-agents:editor -n ai-agents'.split(' '),
)

const written = `# Sizes were agreed with finance.
pools:
  echo-agent:
    template: { image: greenroom:0.1.0 }
    min: 2 # warm
    max: 10
`

async function write(text: string): Promise<void> {
  const { stdout } = await plane.kubectl([
    'create',
    'configmap',
    'agent-pools',
    '-n',
    agentsNamespace,
    `--from-literal=pools.yaml=${text}`,
    '--dry-run=client',
    '-o',
    'yaml',
  ])
  await plane.kubectl(['apply', '-f', '-'], { input: stdout })
}

async function textNow(): Promise<string> {
  const { stdout } = await plane.kubectl([
    'get',
    'configmap',
    'agent-pools',
    '-n',
    agentsNamespace,
    '-o',
    'jsonpath={.data.pools\\.yaml}',
  ])
  return stdout
}

const account = (name: string): Caller => ({
  ...callerOf(undefined, ['admin']),
  kind: 'service-account',
  id: `${agentsNamespace}/${name}`,
})

const callers: Readonly<Record<string, Caller>> = {
  admin: callerOf(undefined, ['admin']),
  viewer: callerOf(undefined, ['pools:read']),
  'admin-of-a': callerOf('a', ['admin']),
  editor: account('editor'),
  reader: account('reader'),
}

async function start(t: Test, { GREENROOM_EDIT_POOLS = true, text = written } = {}) {
  await write(text)
  const facts: AuditFact[] = []
  const pods = createFakePodView()
  const postgres = await postgresFor(t, database)
  const dropped: unknown[][] = []
  const published: unknown[] = []
  const steerPools = createPoolSteering(
    { GREENROOM_NAMESPACE: agentsNamespace, GREENROOM_EDIT_POOLS },
    {
      clients,
      pods: pods.view,
      stores: {
        ledger: createPostgresClaimLedger(postgres),
        index: { drop: async (...args) => void dropped.push(args) },
        wakes: { publish: (wake) => void published.push(wake) },
      },
      note: (fact) => void facts.push(fact),
    },
  )
  const api = await startApi(t, { steerPools, identify: (bearer) => callers[bearer] })
  return {
    facts,
    pods,
    postgres,
    dropped,
    published,
    call: async (bearer: string, path: string, body?: unknown) => {
      const answer = await api.call('POST', `/v1/pools/${path}`, {
        ...(body !== undefined && { body }),
        headers: { authorization: `Bearer ${bearer}` },
      })
      const json = answer.json<{ readonly diff?: string }>()
      return { status: answer.statusCode, ...json, diff: json.diff }
    },
  }
}

void t.test('sizes: the diff first, then the change, and who made it', async (t) => {
  const { call, facts } = await start(t)
  const shown = await call('admin', 'echo-agent/size', { min: 5, dryRun: true })
  t.match(shown, {
    status: 200,
    changed: false,
    dryRun: true,
    writable: true,
    command: /^kubectl -n ai-agents edit/,
  })
  t.match(shown.diff, /^-    min: 2 # warm\n\+    min: 5 # warm\n/m)
  t.equal(await textNow(), written, 'a dry run changes nothing')
  t.same(facts, [])
  const made = await call('admin', 'echo-agent/size', { min: 5, max: 20 })
  t.match(made, { status: 200, changed: true, generation: /^\d+$/ })
  t.equal(await textNow(), written.replace('min: 2', 'min: 5').replace('max: 10', 'max: 20'))
  t.match(facts, [
    {
      action: 'pool.size',
      subject: 'echo-agent',
      by: { kind: 'api-key' },
      detail: 'min 2, max 10 → min 5, max 20',
    },
  ])
  t.match(await call('admin', 'echo-agent/size', { min: 5 }), { changed: false, diff: '' })
  t.equal(facts.length, 1, 'what is so already is no change')
})

void t.test('freeze and thaw', async (t) => {
  const { call, facts } = await start(t)
  t.match(await call('admin', 'echo-agent/freeze'), { status: 200, changed: true })
  t.match(await textNow(), /echo-agent:\n {4}frozen: true\n/)
  t.match(await call('admin', 'echo-agent/freeze'), { status: 200, changed: false })
  t.match(await call('admin', 'echo-agent/thaw'), { status: 200, changed: true })
  t.match(await textNow(), /frozen: false/)
  t.same(
    facts.map(({ action, detail }) => [action, detail]),
    [
      ['pool.freeze', 'frozen false → frozen true'],
      ['pool.thaw', 'frozen true → frozen false'],
    ],
  )
})

void t.test("a ServiceAccount's own rights decide, and scopes for the others", async (t) => {
  const { call, facts } = await start(t)
  const order = { min: 3 }
  t.match(await call('reader', 'echo-agent/size', order), {
    status: 403,
    code: 'GRN_FORBIDDEN',
    detail: /ai-agents\/reader may not update/,
  })
  t.match(await call('reader', 'echo-agent/freeze'), { status: 403 })
  for (const bearer of ['viewer', 'admin-of-a'])
    t.match(await call(bearer, 'echo-agent/size', order), { status: 403, code: 'GRN_FORBIDDEN' })
  t.equal(await textNow(), written)
  t.match(await call('editor', 'echo-agent/size', order), { status: 200, changed: true })
  t.match(facts, [{ by: { kind: 'service-account', id: 'ai-agents/editor' } }])
})

void t.test('writers at once: what one is told to have changed, no other takes back', async (t) => {
  const { call } = await start(t)
  const orders = [{ min: 3 }, { max: 20 }] as const
  const answers = await Promise.all([
    ...orders.map((order) => call('admin', 'echo-agent/size', order)),
    call('admin', 'echo-agent/freeze'),
  ])
  const text = await textNow()
  for (const [n, expected] of [/min: 3 # warm/, /max: 20/, /frozen: true/].entries()) {
    if (answers[n]?.status === 200) t.match(text, expected)
    else {
      t.match(answers[n], { status: 409, code: 'GRN_DOCUMENT_CHANGED' })
      t.notMatch(text, expected)
    }
  }
  t.ok(answers.some(({ status }) => status === 200))
})

void t.test('bad input', async (t) => {
  const { call } = await start(t)
  for (const body of [
    {},
    { dryRun: true },
    { min: -1 },
    { min: 1.5 },
    { min: '1 # x' },
    { min: 1e9 },
    { min: 1, frozen: true },
    [],
  ])
    t.match(await call('admin', 'echo-agent/size', body), { status: 400 }, JSON.stringify(body))
  t.match(await call('admin', 'echo-agent/size', { min: 11 }), {
    status: 422,
    code: 'GRN_INVALID_POOLS',
    detail: /more than max/,
  })
  for (const name of ['nobody', 'constructor', '__proto__', 'a%0ab', 'x'.repeat(300)])
    t.match(
      await call('admin', `${name}/freeze`),
      { status: 404, code: 'GRN_UNKNOWN_AGENT_TYPE' },
      name.slice(0, 20),
    )
  t.equal(await textNow(), written)
  const broken = await start(t, { text: 'pools: [' })
  t.match(await broken.call('admin', 'echo-agent/freeze'), {
    status: 422,
    code: 'GRN_INVALID_POOLS',
    detail: /^pools\.yaml is not valid as it stands: not valid YAML: line 1/,
  })
  t.equal(await textNow(), 'pools: [', 'what people write is not touched')
  await plane.kubectl(['delete', 'configmap', 'agent-pools', '-n', agentsNamespace])
  t.match(await broken.call('admin', 'echo-agent/freeze'), { status: 422, code: 'GRN_INVALID_POOLS' })
})

void t.test('where the document is kept elsewhere a change is shown and not made', async (t) => {
  const { call, facts } = await start(t, { GREENROOM_EDIT_POOLS: false })
  t.match(await call('admin', 'echo-agent/size', { min: 5, dryRun: true }), {
    status: 200,
    writable: false,
    diff: /\+    min: 5/,
  })
  t.match(await call('admin', 'echo-agent/size', { min: 5 }), {
    status: 409,
    code: 'GRN_POOLS_READ_ONLY',
    detail: /Of echo-agent it would be: min 5\. By hand: kubectl -n ai-agents edit configmap agent-pools\./,
  })
  t.equal(await textNow(), written)
  t.same(facts, [])
})

void t.test('without the rights of the manifests: the same, in words', async (t) => {
  const { call } = await start(t)
  await plane.kubectl(['delete', 'rolebinding', 'session-management', '-n', agentsNamespace])
  await plane.kubectl(
    'create rolebinding read-pools --clusterrole=view --user=system:serviceaccount:ai-agents:session-management-sa -n ai-agents'.split(
      ' ',
    ),
  )
  t.match(await call('admin', 'echo-agent/size', { min: 5 }), {
    status: 409,
    code: 'GRN_POOLS_READ_ONLY',
    detail: /no right to change ConfigMap agent-pools/,
  })
  t.match(await call('editor', 'echo-agent/size', { min: 5 }), {
    status: 503,
    code: 'GRN_KUBERNETES_UNAVAILABLE',
  })
  t.equal(await textNow(), written, 'who cannot be asked about gets no right')
  await plane.apply([join(root, 'manifests/base/session-server/rbac.yaml')])
})

void t.test('one pod is retired, unless a session has it', async (t) => {
  const { call, facts, pods, postgres, dropped, published } = await start(t)
  pods.set(readyPod({ uid: 'u-idle', name: 'echo-agent-idle' }))
  pods.set(readyPod({ uid: 'u-busy', name: 'echo-agent-busy' }))
  await postgres.durable.query(
    `INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) VALUES ('u-busy', 'session', gen_random_uuid(), 1)`,
  )
  t.match(await call('admin', 'echo-agent/pods/echo-agent-idle/retire'), { status: 200, uid: 'u-idle' })
  t.match(
    (await postgres.durable.query(`SELECT purpose, reason FROM pod_claims WHERE pod_uid = 'u-idle'`)).rows,
    [{ purpose: 'retired', reason: 'ordered: api-key all' }],
  )
  t.match(dropped, [['echo-agent', ['u-idle']]])
  t.match(published, [{ kind: 'claimed', agentType: 'echo-agent' }])
  t.match(facts, [{ action: 'pod.retire', subject: 'echo-agent-idle', detail: 'echo-agent' }])
  t.match(await call('admin', 'echo-agent/pods/echo-agent-busy/retire'), {
    status: 409,
    code: 'GRN_POD_IN_USE',
  })
  for (const path of ['echo-agent/pods/nobody', 'other/pods/echo-agent-idle', 'echo-agent/pods/%00'])
    t.match(await call('admin', `${path}/retire`), { status: 404, code: 'GRN_POD_NOT_POOLED' }, path)
  t.match(
    await call('reader', 'echo-agent/pods/echo-agent-idle/retire'),
    { status: 200 },
    'its scope decides',
  )
  t.equal(facts.length, 2)
})
