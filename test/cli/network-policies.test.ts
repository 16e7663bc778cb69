import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { root } from '../../bed/repository.ts'
import type { ExplainedPolicy, ExplainedRule } from '../../src/cli/network-policies/explained-policy.ts'
import { greenroomNetworkPolicies } from '../../src/cli/network-policies/greenroom-network-policies.ts'
import { networkPoliciesText } from '../../src/cli/network-policies/network-policies-text.ts'
import { networkArguments } from '../support/network-arguments.ts'

/** `greenroom network-policies`: what is reachable for what is configured, and nothing else. */

function policies(...args: readonly string[]): readonly ExplainedPolicy[] {
  return greenroomNetworkPolicies(networkArguments(args).settings)
}

function one(found: readonly ExplainedPolicy[], name: string): ExplainedPolicy {
  const policy = found.find((candidate) => candidate.name === name)
  if (!policy) throw new Error(`no policy ${name}`)
  return policy
}

/** Rules in short: who, and ports as `7880/TCP`. */
function short(rules: readonly ExplainedRule[] = []): string[] {
  return rules.map(({ rule }) => {
    const peers = (rule.to ?? rule.from ?? []).map(({ ipBlock, podSelector, namespaceSelector }) => {
      const labels = { ...namespaceSelector?.matchLabels, ...podSelector?.matchLabels }
      const expressions = podSelector?.matchExpressions?.map(({ key }) => key) ?? []
      return ipBlock?.cidr ?? [...Object.values(labels), ...expressions].join('/')
    })
    const ports = (rule.ports ?? []).map(
      ({ port, endPort, protocol }) => `${port}${endPort ? `-${endPort}` : ''}/${protocol}`,
    )
    return `${peers.join(' ') || 'anywhere'}: ${ports.join(' ') || 'any'}`
  })
}

const dns = 'kube-system/kube-dns: 53/UDP 53/TCP'
const media = '7881/TCP 7882/UDP 50000-60000/UDP'
const internet = '0.0.0.0/0 2000::/3'

void t.test('manifests/base has what it prints without options', (t) => {
  for (const [namespace, file] of [
    ['ai-agents', 'network-policy.yaml'],
    ['greenroom-system', 'webhook/network-policy.yaml'],
  ]) {
    const text = networkPoliciesText(policies().filter((policy) => policy.namespace === namespace))
    t.equal(
      readFileSync(join(root, 'manifests/base', file ?? ''), 'utf8'),
      text,
      `npm run -s greenroom -- ${namespace}`,
    )
  }
  t.end()
})

void t.test('LiveKit is where its URL says, on its ports only', (t) => {
  const table: readonly (readonly [args: string, agents: readonly string[], online: readonly string[]])[] = [
    ['ws://livekit:7880', [`livekit: 7880/TCP ${media}`], []],
    ['ws://livekit.ai-agents.svc:7880', [`livekit: 7880/TCP ${media}`], []],
    ['ws://lk.rooms.svc.cluster.local:80', [`rooms: 80/TCP ${media}`], []],
    ['ws://10.20.30.4:7880', [`10.20.30.4/32: 7880/TCP ${media}`], []],
    ['ws://[2001:db8::4]:7880', [`2001:db8::4/128: 7880/TCP ${media}`], []],
    ['wss://x.livekit.cloud', [], [`${internet}: 443/TCP 443/UDP 3478/UDP ${media}`]],
    ['wss://rooms.example.com:7443', [], [`${internet}: 7443/TCP 443/TCP 443/UDP 3478/UDP ${media}`]],
    [
      'ws://livekit:7880 --livekit-cidr 10.0.0.0/28 --livekit-media 7881/TCP,50000-50100/UDP',
      ['livekit 10.0.0.0/28: 7880/TCP 7881/TCP 50000-50100/UDP'],
      [],
    ],
  ]
  for (const [args, agents, online] of table) {
    const found = policies('--livekit-url', ...args.split(' '))
    const [, , ...toLiveKit] = short(one(found, 'agent-network-policy').egress)
    t.strictSame(toLiveKit, agents, args)
    t.strictSame(short(one(found, 'agent-internet').egress), [`${internet}: 443/TCP`, ...online], args)
  }
  t.end()
})

void t.test(
  'agents: DNS, the session server, model providers; in from the session server and Prometheus',
  (t) => {
    const found = policies('--livekit-url', 'ws://livekit:7880')
    const { ingress, egress } = one(found, 'agent-network-policy')
    t.strictSame(short(egress).slice(0, 2), [dns, 'session-management-server: 3000/TCP'])
    t.strictSame(short(ingress), ['session-management-server: 8080/TCP', 'monitoring enabled: 8080/TCP'])
    const closed = policies('--livekit-url', 'ws://livekit:7880', '--no-model-providers')
    t.strictSame(
      one(closed, 'agent-internet').egress,
      [],
      'an empty list, so that a patch takes the rules away',
    )
    t.end()
  },
)

void t.test('metrics: for the namespace of Prometheus, or one with the label', (t) => {
  const found = policies('--monitoring-namespace', 'prom', '--monitoring-namespace', 'grafana')
  for (const [name, port] of [
    ['session-management-server', 3001],
    ['agent-webhook', 3002],
    ['agent-network-policy', 8080],
  ] as const)
    t.equal(short(one(found, name).ingress)[1], `prom grafana enabled: ${port}/TCP`)
  t.end()
})

void t.test('the API server: reached by webhook and session server where it is named, by no agent', (t) => {
  const api = [
    '--api-server',
    '203.0.113.7',
    '--api-server',
    '[2001:db8::1]:6443',
    '--api-server',
    '10.0.0.1:8443',
  ]
  const toApi = ['203.0.113.7/32: 443/TCP 6443/TCP', '2001:db8::1/128: 6443/TCP', '10.0.0.1/32: 8443/TCP']
  const open = policies(...api, '--out-of-reach', '2a00:1::/96')
  t.strictSame(short(one(open, 'agent-webhook').egress), [dns, ...toApi])
  const [{ rule } = { rule: {} }] = one(open, 'agent-internet').egress ?? []
  const excepted = rule.to?.flatMap(({ ipBlock }) => ipBlock?.except ?? []) ?? []
  t.ok(excepted.includes('203.0.113.7/32') && excepted.includes('2001:db8::1/128'))
  t.ok(excepted.includes('2a00:1::/96'))
  t.notOk(excepted.includes('10.0.0.1/32'), 'private anyway')
  t.strictSame(short(one(open, 'session-management-server').egress), ['anywhere: any'], 'stores are unknown')

  const stores = [
    '--postgres',
    'component',
    '--redis',
    '10.2.0.0/24:6380',
    '--livekit-url',
    'ws://livekit:7880',
  ]
  const narrow = policies(...api, ...stores)
  t.strictSame(short(one(narrow, 'session-management-server').egress), [
    dns,
    'greenroom-system/agent-webhook: 3002/TCP',
    'agent-type: 8080/TCP',
    ...toApi,
    'postgres: 5432/TCP',
    '10.2.0.0/24: 6380/TCP',
    'livekit: 7880/TCP',
  ])
  t.strictSame(short(one(narrow, 'greenroom-migrate').egress), [dns, 'postgres: 5432/TCP'])
  t.end()
})

void t.test('every setting prints the same names, so that an overlay can patch each', (t) => {
  const names = (found: readonly ExplainedPolicy[]) =>
    found.map(({ namespace, name }) => `${namespace}/${name}`)
  t.strictSame(names(policies('--livekit-url', 'wss://x.example', '--no-model-providers')), names(policies()))
  t.end()
})

void t.test('what is wrong is refused with one sentence', (t) => {
  const wrong: readonly (readonly [args: string, message: RegExp])[] = [
    ['--livekit-url livekit', /--livekit-url livekit is not a ws\(s\) address/],
    ['--livekit-url ftp://livekit', /is not a ws\(s\) address/],
    ['--livekit-cidr 10.0.0.0/33', /10\.0\.0\.0\/33 is not a block of addresses/],
    ['--api-server api.example.com', /api\.example\.com is not a block of addresses/],
    ['--api-server 10.0.0.1:0', /0 is not a port/],
    ['--postgres 10.0.0.0/8/8', /is not a block of addresses/],
    ['--livekit-media 7881', /is not PORT\/TCP/],
    ['--livekit-media 60000-50000/UDP', /ends before it begins/],
    ['--monitoring-namespace Prom', /Prom is not a namespace's name/],
    ['--namespace default', /has no policies of ours/],
    ['--redis', /argument missing/],
  ]
  for (const [args, message] of wrong) {
    t.throws(() => networkArguments(args.split(' ')), { code: 'GRN_WRONG_ARGUMENTS', message }, args)
  }
  t.end()
})

void t.test('the command prints documents', async (t: Test) => {
  const args = ['src/cli/greenroom.ts', 'network-policies', '--namespace', 'greenroom-system']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  const names = parseAllDocuments(stdout).map(
    (document) => (document.toJS() as { metadata: { name: string } }).metadata.name,
  )
  t.strictSame(names, ['default-deny', 'agent-webhook'])
})
