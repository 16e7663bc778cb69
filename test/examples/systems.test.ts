import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { checkChart } from '../helm/chart-on-api-server.ts'
import { appliesStrictly, givesTheseRights, handsReplicasOver } from '../manifests-run/strictly-applied.ts'
import {
  examples,
  type SystemObject,
  type SystemsBed,
  startSystemsBed,
  temporaryVariant,
  untilPolicySays,
  workloadsOf,
} from './systems-bed.ts'

/** Each system of the source documents: what a real API server with Greenroom's admission makes of it. */

const folder = await temporaryFolder('systems')
const bed = await startSystemsBed(folder.path, ['station', 'alfred'])
t.teardown(async () => {
  await bed.stop()
  await folder.remove()
})

/** Applies what is built, and tries a pod of each workload. */
async function takes(t: Test, bed: SystemsBed, overlay: string) {
  const objects = await bed.applyStrictly(resolve(examples, overlay))
  const workloads = workloadsOf(objects)
  for (const workload of workloads) {
    const { pod, stderr } = await bed.tryPodOf(workload)
    t.ok(pod, `${overlay}: a pod of ${workload.metadata.name} is admitted${pod ? '' : `: ${stderr}`}`)
  }
  t.not(workloads.length, 0, `${overlay} has workloads`)
  return objects
}

void t.test('Station', async (t) => {
  for (const overlay of ['development', 'production', 'k3s']) {
    await takes(t, bed, `station/overlays/${overlay}`)
    await bed.forgetClaims('station')
  }
  const secret = join(examples, 'station/base/secret.yaml')
  const snapshot = join(examples, 'station/volumesnapshot.yaml')
  for (const path of [secret, snapshot]) {
    const applied = await bed.plane.kubectl(['apply', '--server-side', '--validate=strict', '-f', path])
    t.equal(applied.code, 0, applied.stderr)
  }

  await t.test('a misspelt field is refused', async (t) => {
    const input = JSON.stringify({
      apiVersion: 'snapshot.storage.k8s.io/v1',
      kind: 'VolumeSnapshot',
      metadata: { name: 'wrong', namespace: 'station' },
      spec: { source: { persistentVolumeClaim: 'station-data' } },
    })
    const { code, stderr } = await bed.plane.kubectl(['create', '--validate=strict', '-f', '-'], { input })
    t.equal(code, 1)
    t.match(stderr, 'unknown field "spec.source.persistentVolumeClaim"')
  })

  await t.test(
    'its pod is judged where the policy only audits, and refused where it is enforced',
    async (t) => {
      const objects = await bed.applyStrictly(join(examples, 'station/overlays/development'))
      const label = ['label', '--overwrite', 'namespace', 'station', 'greenroom.dev/agents=enabled']
      t.equal((await bed.plane.kubectl(label)).code, 0)
      const [station] = workloadsOf(objects)
      if (!station) throw new Error('Station has no workload')
      const audited = await bed.tryPodOf(station)
      t.ok(audited.pod, audited.stderr)
      t.match(audited.stderr, 'rule commands')
      await bed.plane.createNamespace('station-enforced', { 'greenroom.dev/agents': 'enabled' })
      const metadata = { ...station.metadata, namespace: 'station-enforced' }
      const refused = await bed.tryPodOf({ ...station, metadata })
      t.notOk(refused.pod, 'a Secret beside a volume with content of its own')
      t.match(refused.stderr, /denied the request/)
    },
  )

  await t.test('its variants', async (t) => {
    for (const component of ['litestream', 'external-secrets', 'sealed-secrets', 'vault', 'ingress']) {
      await using variant = await temporaryVariant('station', component)
      await takes(t, bed, variant.path)
    }
  })
})

void t.test('Sekha', async (t) => {
  const objects = await takes(t, bed, 'sekha/rendered')
  const monitor = objects.find(({ kind }) => kind === 'ServiceMonitor') as Monitor | undefined
  const service = objects.find(
    ({ kind, metadata }) => kind === 'Service' && metadata.name === 'sekha-controller',
  )
  t.match(service?.metadata.labels, monitor?.spec.selector.matchLabels ?? 'a ServiceMonitor')
  const ports = (service as unknown as { spec: { ports: { name: string }[] } }).spec.ports
  t.strictSame(
    ports.map(({ name }) => name),
    monitor?.spec.endpoints.map(({ port }) => port),
  )
  const controller = workloadsOf(objects).find(({ metadata }) => metadata.name === 'sekha-controller')
  t.notOk(controller && 'replicas' in controller.spec, 'the HPA alone decides how many run')

  await t.test('its database is asked by the command of its README', async (t) => {
    const readme = await readFile(join(examples, 'sekha/README.md'), 'utf8')
    const overrides = /--overrides='([^']*)'/.exec(readme)?.[1]
    if (!overrides) throw new Error('the README has no such command')
    const run = ['run', 'debug', '--image=postgres:16', '--restart=Never', '-n', 'sekha', '--dry-run=server']
    const bare = await bed.plane.kubectl([...run, '--', 'psql'])
    t.match(bare, { code: 1, stderr: /violates PodSecurity/ })
    const strategic = ['--override-type=strategic', `--overrides=${overrides}`]
    const restricted = await bed.plane.kubectl([...run, ...strategic, '--', 'psql'])
    t.equal(restricted.code, 0, restricted.stderr)
  })
})

interface Monitor extends SystemObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly endpoints: readonly { readonly port: string }[]
  }
}

void t.test('Alfred', async (t) => {
  for (const overlay of ['dev', 'staging', 'prod']) {
    const objects = await takes(t, bed, `alfred/overlays/${overlay}`)
    const core = workloadsOf(objects).find(({ metadata }) => metadata.name === 'agent-core')
    const hasHpa = objects.some(({ kind }) => kind === 'HorizontalPodAutoscaler')
    t.equal(core !== undefined && 'replicas' in core.spec, !hasHpa, `${overlay}: one decides how many run`)
  }
  const sealed = join(examples, 'alfred/sealed-secret.yaml')
  const applied = await bed.plane.kubectl(['apply', '--server-side', '--validate=strict', '-f', sealed])
  t.equal(applied.code, 0, applied.stderr)
  const image = '--image=nicolaka/netshoot'
  const debug = ['run', 'network-test', image, '-n', 'alfred-platform', '--dry-run=server', '--', '/bin/bash']
  const { code, stderr } = await bed.plane.kubectl(debug)
  t.equal(code, 0, stderr)
  t.match(stderr, 'not enforced in namespace alfred-platform')
})

/** These bring a whole policy of their own, so they come after the others. */
void t.test('Greenroom itself: base, overlays and components', async (t) => {
  await appliesStrictly(t, bed)
  await t.test('replicas go over to the HPA', (t) => handsReplicasOver(t, bed.plane))
  await t.test('the rights of the session server', (t) => givesTheseRights(t, bed.plane))
})

void t.test('the Helm chart', async (t) => {
  await bed.forgetJobs('ai-agents')
  await checkChart(t, {
    plane: bed.plane,
    folder: folder.path,
    untilPolicySays: (text) => untilPolicySays(bed.plane, text),
  })
})

void t.test('STELLA', async (t) => {
  await bed.forgetJobs('ai-agents')
  const objects = await bed.applyStrictly(join(examples, 'stella'))
  await untilPolicySays(bed.plane, 'session-management-server:*')
  for (const workload of workloadsOf(objects)) {
    if (workload.metadata.namespace === 'greenroom-system') continue
    const { pod, stderr } = await bed.tryPodOf(workload)
    t.ok(pod, `a pod of ${workload.metadata.name} is admitted${pod ? '' : `: ${stderr}`}`)
  }

  await t.test('its policy is the one of the base but for names of images', async (t) => {
    const base = await policyAt('manifests/base/agent-policy.yaml')
    const stella = await policyAt('examples/stella/agent-policy.yaml')
    const renamed = (text: string): string => text.replace(/"images":(\[[^\]]*\]|\{[^}]*\})/g, '')
    t.equal(renamed(JSON.stringify(stella)), renamed(JSON.stringify(base)))
  })

  const asWritten = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'agent-1', namespace: 'ai-agents', labels: { 'agent-type': 'stella-agent' } },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'agent', image: 'conversational-ai-server:0.1.0' }],
    },
  }
  const create = ['create', '--dry-run=server', '-o', 'json', '-f', '-']

  await t.test('an agent pod gets what the documents give it', async (t) => {
    const { code, stdout, stderr } = await bed.plane.kubectl(create, { input: JSON.stringify(asWritten) })
    t.equal(code, 0, stderr)
    const pod = JSON.parse(stdout) as V1Pod
    t.equal(pod.metadata?.labels?.app, 'conversational-ai-agent')
    t.match(pod.spec, {
      terminationGracePeriodSeconds: 30,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 },
      containers: [
        {
          resources: { requests: { cpu: '250m', memory: '512Mi' }, limits: { cpu: '1', memory: '2Gi' } },
          livenessProbe: {
            httpGet: { path: '/health', port: 8080 },
            initialDelaySeconds: 30,
            periodSeconds: 10,
          },
          readinessProbe: {
            httpGet: { path: '/ready', port: 8080 },
            initialDelaySeconds: 5,
            periodSeconds: 5,
          },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    })
  })

  await t.test('the agent types have the sizes of the documents', async (t) => {
    const sizes = {
      'stella-light': [
        { cpu: '100m', memory: '256Mi' },
        { cpu: '500m', memory: '1Gi' },
      ],
      'echo-agent': [
        { cpu: '50m', memory: '128Mi' },
        { cpu: '250m', memory: '512Mi' },
      ],
    }
    for (const [type, [requests, limits]] of Object.entries(sizes)) {
      const metadata = { ...asWritten.metadata, labels: { 'agent-type': type } }
      const input = JSON.stringify({ ...asWritten, metadata })
      const { code, stdout, stderr } = await bed.plane.kubectl(create, { input })
      t.equal(code, 0, stderr)
      t.has((JSON.parse(stdout) as V1Pod).spec?.containers[0]?.resources, { requests, limits }, type)
    }
  })

  await t.test('a Secret for each session is refused', async (t) => {
    const [agent] = asWritten.spec.containers
    const envFrom = [{ secretRef: { name: 'agent-secret-1' } }]
    const pod = { ...asWritten, spec: { ...asWritten.spec, containers: [{ ...agent, envFrom }] } }
    const { code, stderr } = await bed.plane.kubectl(create, { input: JSON.stringify(pod) })
    t.equal(code, 1)
    t.match(stderr, 'rule secret-references')
  })
})

async function policyAt(path: string): Promise<{ components: { name: string }[] }> {
  const configMap = parse(await readFile(join(root, path), 'utf8')) as { data: Record<string, string> }
  return parse(configMap.data['policy.yaml'] ?? '') as { components: { name: string }[] }
}
