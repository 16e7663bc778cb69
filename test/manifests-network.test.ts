import { writeFile } from 'node:fs/promises'
import { BlockList, isIPv6 } from 'node:net'
import { join, relative } from 'node:path'
import type {
  V1LabelSelector,
  V1NetworkPolicy,
  V1PodDisruptionBudget,
  V1Service,
} from '@kubernetes/client-node'
import t from 'tap'
import { temporaryFolder } from '../bed/processes/temporary-folder.ts'
import { greenroomNetworkPolicies } from '../src/cli/network-policies/greenroom-network-policies.ts'
import { networkPoliciesText } from '../src/cli/network-policies/network-policies-text.ts'
import { agentPort, label } from '../src/domain/names.ts'
import { all, base, build, type Manifest, one } from './support/built-manifests.ts'
import { networkArguments } from './support/network-arguments.ts'

/** Who reaches whom, by the network policies and Services of the manifests. */

void t.test(
  'the network policies of agents: in from the session server and Prometheus, out to no store and no agent',
  async (t) => {
    const policies = ['agent-network-policy', 'agent-internet'].map(
      (name) => one<V1NetworkPolicy>('NetworkPolicy', name).spec,
    )
    for (const spec of policies) {
      t.strictSame(spec?.podSelector, { matchExpressions: [{ key: label.agentType, operator: 'Exists' }] })
    }
    t.same(
      policies.flatMap((spec) => spec?.ingress ?? []),
      [
        {
          from: [{ podSelector: { matchLabels: { [label.component]: 'session-management-server' } } }],
          ports: [{ protocol: 'TCP', port: agentPort }],
        },
        {
          from: [
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
            { namespaceSelector: { matchLabels: { 'greenroom.dev/monitoring': 'enabled' } } },
          ],
          ports: [{ protocol: 'TCP', port: agentPort }],
        },
      ],
    )
    const egress = policies.flatMap((spec) => spec?.egress ?? [])
    const ports = egress.flatMap(({ ports = [] }) =>
      ports.map(({ port, endPort, protocol }) => `${port}${endPort ? `-${endPort}` : ''}/${protocol}`),
    )
    t.strictSame([...new Set(ports)].sort(), [
      '3000/TCP',
      '3478/UDP',
      '443/TCP',
      '443/UDP',
      '50000-60000/UDP',
      '53/TCP',
      '53/UDP',
      '7880/TCP',
      '7881/TCP',
      '7882/UDP',
    ])
    for (const rule of egress) {
      t.ok(rule.to && rule.ports, 'no rule is open in targets or ports')
      for (const { ipBlock, podSelector, namespaceSelector } of rule.to ?? []) {
        if (ipBlock) continue
        const isNamed = podSelector?.matchLabels ?? namespaceSelector?.matchLabels
        t.ok(isNamed, 'pods or their namespace are named')
      }
    }
  },
)

/** Selectors of pods of the policy's own namespace, wherever they stand in it. */
function podSelectorsIn(value: unknown): V1LabelSelector[] {
  if (typeof value !== 'object' || value === null) return []
  const { podSelector, namespaceSelector } = value as {
    podSelector?: V1LabelSelector
    namespaceSelector?: object
  }
  return [
    ...(podSelector && !namespaceSelector ? [podSelector] : []),
    ...Object.values(value).flatMap(podSelectorsIn),
  ]
}

void t.test('nothing but default-deny selects pods by a label that everybody may write', async (t) => {
  const components = ['session-management-server', 'greenroom-migrate', 'livekit']
  const inAgents = <T>(kind: string) =>
    all<T>(kind).filter(({ metadata }) => metadata.namespace === 'ai-agents')
  const selectors = [
    ...inAgents<V1NetworkPolicy>('NetworkPolicy').flatMap(podSelectorsIn),
    ...inAgents<V1Service>('Service').map(({ spec }) => ({ matchLabels: spec?.selector })),
    ...inAgents<V1PodDisruptionBudget>('PodDisruptionBudget').map(({ spec }) => spec?.selector),
  ]
  t.ok(selectors.length >= 10)
  for (const selector of selectors) {
    for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
      t.equal(key, label.component)
      t.ok(components.includes(value), value)
    }
  }
  for (const namespace of ['ai-agents', 'greenroom-system']) {
    const deny = all<V1NetworkPolicy>('NetworkPolicy').find(
      ({ metadata }) => metadata.namespace === namespace && metadata.name === 'default-deny',
    )
    t.same(deny?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, namespace)
  }
})

/** Addresses of which agents must reach none, and some that they need. */
const unreachable =
  '0.0.0.1 10.96.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.0.0.1 192.168.1.1 198.18.0.1 224.0.0.1 ' +
  '255.255.255.255 :: ::1 ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::a00:1 100::1 2001::1 2002:a00:1:: fc00::1 fd00:ec2::254 ' +
  'fe80::1 fec0::1 ff02::1'
const reachable = '1.1.1.1 203.0.113.7 2606:4700::1111 2a00:1450::1'

/** What kustomize makes of the base and of what "greenroom network-policies" prints, as an overlay's patch. */
async function patchedPolicies(...args: readonly string[]): Promise<readonly V1NetworkPolicy[]> {
  await using overlay = await temporaryFolder('overlay')
  const { settings } = networkArguments(args)
  await writeFile(
    join(overlay.path, 'policies.yaml'),
    networkPoliciesText(greenroomNetworkPolicies(settings)),
  )
  const kustomization = `resources: [${relative(overlay.path, base)}]\npatches: [{ path: policies.yaml }]`
  await writeFile(join(overlay.path, 'kustomization.yaml'), kustomization)
  const built = (await build(overlay.path)) as (V1NetworkPolicy & Manifest)[]
  return built.filter(({ kind }) => kind === 'NetworkPolicy')
}

/** Whether agents reach the address over the internet rules of these policies. */
function reaches(policies: readonly V1NetworkPolicy[], address: string): boolean {
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  return policies
    .filter(({ spec }) => spec?.podSelector?.matchExpressions?.some(({ key }) => key === label.agentType))
    .flatMap(({ spec }) => (spec?.egress ?? []).flatMap(({ to = [] }) => to))
    .flatMap(({ ipBlock }) => ipBlock ?? [])
    .some(({ cidr, except = [] }) => {
      const holds = (block: string): boolean => {
        const [net = '', prefix = ''] = block.split('/')
        const list = new BlockList()
        list.addSubnet(net, Number(prefix), isIPv6(net) ? 'ipv6' : 'ipv4')
        return isIPv6(net) === isIPv6(address) && list.check(address, family)
      }
      return holds(cidr) && !except.some(holds)
    })
}

void t.test('agents reach public addresses only, and not the API server that is named', async (t) => {
  const policies = all<V1NetworkPolicy>('NetworkPolicy')
  for (const address of unreachable.split(' ')) t.notOk(reaches(policies, address), address)
  for (const address of reachable.split(' ')) t.ok(reaches(policies, address), address)
  const patched = await patchedPolicies('--api-server', '203.0.113.7')
  t.notOk(reaches(patched, '203.0.113.7'))
  t.ok(reaches(patched, '203.0.113.8'))
})

void t.test('agents reach LiveKit at the private address that is named, on its ports only', async (t) => {
  const address = '10.20.30.4'
  t.notOk(reaches(all<V1NetworkPolicy>('NetworkPolicy'), address))
  const patched = await patchedPolicies('--livekit-cidr', '10.20.30.0/28')
  t.ok(reaches(patched, address))
  t.notOk(reaches(patched, '10.20.30.99'))
  const rule = patched
    .flatMap(({ spec }) => spec?.egress ?? [])
    .find(({ to = [] }) => to.some(({ ipBlock }) => ipBlock?.cidr === '10.20.30.0/28'))
  t.same(
    rule?.ports?.map(({ port, endPort }) => endPort ?? port),
    [7880, 7881, 7882, 60_000],
    'signalling and media, no store',
  )
})

void t.test('LiveKit sends its webhooks to the session server, and that server reaches LiveKit', (t) => {
  const { spec } = one<V1NetworkPolicy>('NetworkPolicy', 'session-management-server')
  const open = spec?.ingress?.filter((rule) => !('from' in rule))
  t.same(
    open?.flatMap(({ ports = [] }) => ports.map(({ port }) => port)),
    [3000],
  )
  t.same(spec?.egress, [{}], 'anywhere')
  t.end()
})

void t.test('the webhook: in for reviews, out to DNS and API servers', async (t) => {
  const { spec } = one<V1NetworkPolicy>('NetworkPolicy', 'agent-webhook')
  t.same(spec?.policyTypes, ['Ingress', 'Egress'])
  const ports = (rules: readonly { ports?: readonly { port?: number | string }[] }[] | undefined) =>
    (rules ?? []).flatMap(({ ports = [] }) => ports.map(({ port }) => port))
  t.same(ports(spec?.ingress), [8443, 3002, 3002])
  t.match(spec?.ingress?.[2], {
    from: [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ai-agents' } },
        podSelector: { matchLabels: { 'greenroom.dev/component': 'session-management-server' } },
      },
    ],
  })
  t.same(ports(spec?.egress), [53, 53, 443, 6443, 8443, 16_443])
})
