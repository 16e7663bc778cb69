import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { startWebhookService } from '../../bed/replicas/webhook-service.ts'
import { root } from '../../bed/repository.ts'
import type { ScanReport } from '../../src/cli/scan.ts'
import type { PoolSpec } from '../../src/domain/pool.ts'
import { slotPod } from '../../src/domain/slot-pod.ts'
import { greenroomUser } from '../admission/pod-samples.ts'
import { runMain } from '../support/run-main.ts'

/** `greenroom scan` and `greenroom explain` against the real API server, which fills in what it always fills in. */

t.setTimeout(240_000)
const namespace = 'ai-agents'
const folder = await temporaryFolder('scan')
const bed = await startWebhookService({ folder: folder.path, replicas: 1 })
const { plane } = bed
t.teardown(async () => {
  await bed.stop()
  await folder.remove()
})

const command = (args: readonly string[], kubeconfig = plane.kubeconfigPath) =>
  runMain(args, { PATH: process.env.PATH, KUBECONFIG: kubeconfig })

async function scan() {
  const { code, stdout, stderr } = await command(['scan', '--json'])
  t.equal(stderr, '')
  return { code, report: JSON.parse(stdout) as ScanReport }
}

async function create(object: object, user?: string): Promise<void> {
  const args = ['create', '-f', '-']
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...object })
  const options = user === undefined ? { input } : { input, kubeconfig: await plane.kubeconfigFor(user) }
  const { code, stderr } = await plane.kubectl(args, options)
  if (code !== 0) throw new Error(stderr)
}

const policyPath = join(root, 'manifests/base/agent-policy.yaml')
const policyText = await readFile(policyPath, 'utf8')

/** Applies the shipped policy with a change, and waits until the webhook has it: the version says so. */
async function usePolicy(version: string, change: (text: string) => string): Promise<void> {
  const input = change(policyText).replace('version: "1"', `version: "${version}"`)
  const { code, stderr } = await plane.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
    input,
  })
  if (code !== 0) throw new Error(stderr)
}

await plane.apply([join(root, 'manifests/base/session-server/rbac.yaml')])

void t.test('pods that came in through the policy are clean, whatever the API server added', async (t) => {
  const { code, stderr } = await plane.kubectl(['run', 'bare', '--image=nginx', '-n', namespace])
  t.equal(code, 0, stderr)
  const spec = { template: { image: 'greenroom:1', env: [{ name: 'A', value: 'b' }] } } as PoolSpec
  await create(slotPod('echo-agent', spec, { namespace }), greenroomUser)
  const several = {
    metadata: { name: 'several', namespace, labels: { 'agent-type': 'stella-agent' } },
    spec: {
      containers: [
        { name: 'agent', image: 'stella-agent:1', ports: [{ containerPort: 8080 }] },
        {
          name: 'log-shipper',
          image: 'stella-agent:1',
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        },
      ],
      initContainers: [
        { name: 'fetch', image: 'stella-agent:1' },
        { name: 'proxy', image: 'stella-agent:1', restartPolicy: 'Always' },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  }
  await create(several)
  const { code: scanned, report } = await scan()
  t.same(report.drifted, [])
  t.equal(scanned, 0)
  t.equal(report.pods, 3)
  t.same(report.namespaces, [namespace])
})

void t.test('after a change of the policy they show, and what they would become', async (t) => {
  await usePolicy('2', (text) => text.replace('runAsUser: 1000', 'runAsUser: 1001'))
  const { code, report } = await scan()
  t.equal(code, 1)
  t.equal(report.drifted.length, 3)
  for (const found of report.drifted) {
    t.match(found, { drift: 'change', policyVersion: '2' })
    t.match(
      found.changes.find(({ path }) => path === 'spec.securityContext.runAsUser'),
      { was: '1000', becomes: '1001', rule: 'user-ids' },
    )
    t.same([...new Set(found.changes.map(({ rule }) => rule))], ['user-ids'], 'and nothing else')
  }
  const table = await command(['scan'])
  t.match(table.stdout, /^ai-agents +bare +default +change +user-ids$/m)
  t.match(table.stdout, /^3 of 3 pods in ai-agents differ from policy 2$/m)
  const one = await command(['explain', `${namespace}/bare`])
  t.equal(one.code, 0, one.stderr)
  t.match(one.stdout, /^Pod\/bare in ai-agents: changed \(agent type default, policy 2\)$/m)
  t.match(
    (await command(['explain', 'bare', '-n', namespace, '--policy', policyPath, '--json'])).stdout,
    /"policyVersion": "1"/,
  )
  await usePolicy('3', (text) => text)
  t.equal((await scan()).code, 0, 'another version alone is no drift')
})

void t.test('pods that came in while the webhook was away show', async (t) => {
  for (const kind of ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration'])
    await plane.kubectl(['delete', kind, 'agent-webhook'])
  await plane.createNamespace('team', { 'greenroom.dev/agents': 'enabled' })
  // The API server hears of the deletion by a watch of its own.
  const missed = {
    metadata: { name: 'missed', namespace: 'team' },
    spec: { containers: [{ name: 'a', image: 'x:1' }] },
  }
  await until('a pod that nobody hardened', async () => {
    await create(missed)
    const { stdout } = await plane.kubectl(['get', 'pod', 'missed', '-n', 'team', '-o', 'json'])
    if (JSON.parse(stdout).spec.automountServiceAccountToken !== false) return true
    await plane.kubectl(['delete', 'pod', 'missed', '-n', 'team', '--now'])
    return false
  })
  const hostile = {
    metadata: { name: 'hostile', namespace: 'team' },
    spec: { hostNetwork: true, containers: [{ name: 'a', image: 'x:1' }] },
  }
  await create(hostile)
  const { code, report } = await scan()
  t.equal(code, 1)
  const of = (name: string) => report.drifted.find((found) => found.name === name)
  t.match(of('missed'), { namespace: 'team', drift: 'change', agentType: 'default' })
  t.match(of('hostile'), { namespace: 'team', drift: 'deny', violations: [{ rule: 'host-namespaces' }] })
  t.equal(report.drifted.length, 2)
  t.equal((await command(['explain', 'team/hostile'])).code, 1)
})

void t.test('what cannot be read says why with its exit code', async (t) => {
  const nobody = await plane.kubeconfigFor('nobody')
  const forbidden = await command(['scan'], nobody)
  t.equal(forbidden.code, 5)
  t.match(forbidden.stderr, /GRN_CLUSTER_FORBIDDEN.*forbidden/)
  t.equal((await command(['explain', 'ai-agents/none'])).code, 3)
  t.equal((await command(['scan', '--nonsense'])).code, 2)
})
