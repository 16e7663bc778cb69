import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { runMain } from '../support/run-main.ts'

const policy = join(root, 'manifests/base/agent-policy.yaml')

const explain = (args: readonly string[], input = '') =>
  runMain(['explain', ...args], { PATH: process.env.PATH }, input)

const documents = `
apiVersion: v1
kind: Pod
metadata: { name: one, namespace: ai-agents, labels: { agent-type: echo-agent } }
spec:
  containers: [{ name: agent, image: "greenroom:1", env: [{ name: TOKEN, value: very-secret }] }]
---
apiVersion: v1
kind: Service
metadata: { name: not-a-pod }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: two }
spec:
  template:
    spec: { hostNetwork: true, containers: [{ name: a, image: "x:1" }] }
`

void t.test('a file of many documents, without a cluster', async (t) => {
  const path = join(t.testdir(), 'pods.yaml')
  await writeFile(path, documents)
  const { code, stdout, stderr } = await explain([path, '--policy', policy, '-n', 'team'])
  t.equal(code, 1, stderr)
  t.match(stdout, /^Pod\/one in ai-agents: changed \(agent type echo-agent, policy 1\)$/m)
  t.match(stdout, /^ {2}spec\.containers\[agent\]\.securityContext\.runAsUser +unset +1000 +user-ids$/m)
  t.match(stdout, /^Deployment\/two in team: denied \(agent type default, policy 1\)$/m)
  t.match(stdout, /spec\.hostNetwork +true +.*host-namespaces \(GRN_POLICY_VIOLATION\)/)
  t.notMatch(stdout, /very-secret/)
})

void t.test('--json, from stdin, and 0 for what is allowed', async (t) => {
  const pod = { kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'a', image: 'x:1' }] } }
  const { code, stdout, stderr } = await explain(['-', '--json', '--policy', policy], JSON.stringify(pod))
  t.equal(code, 0, stderr)
  t.match(JSON.parse(stdout), [
    { subject: 'Pod/p', namespace: 'default', decision: 'changed', agentType: 'default', violations: [] },
  ])
})

void t.test('what cannot be judged ends with 2 and says why', async (t) => {
  const folder = t.testdir({
    'broken.yaml': 'a: [',
    'service.yaml': 'kind: Service',
    'bad-policy.yaml': 'x: 1',
  })
  const refused = async (args: readonly string[], reason: RegExp) => {
    const { code, stderr, stdout } = await explain(args)
    t.equal(code, 2, stdout)
    t.match(stderr, reason)
    t.notMatch(stderr, /\bat .*:\d+:\d+/)
  }
  await refused([], /GRN_WRONG_ARGUMENTS: The FILE\|POD is missing/)
  await refused(['a', 'b'], /"b" is too much/)
  await refused(['--nonsense'], /GRN_WRONG_ARGUMENTS: Unknown option '--nonsense'/)
  await refused(['missing.yaml', '--policy', policy], /There is no file missing\.yaml/)
  await refused([join(folder, 'broken.yaml'), '--policy', policy], /not valid YAML/)
  await refused([join(folder, 'service.yaml'), '--policy', policy], /GRN_NO_POD/)
  await refused([join(folder, 'service.yaml'), '--policy', join(folder, 'bad-policy.yaml')], /GRN_NO_POD/)
  const pod = join(folder, 'pod.json')
  await writeFile(pod, '{"kind":"Pod","spec":{"containers":[]}}')
  await refused([pod, '--policy', join(folder, 'bad-policy.yaml')], /GRN_INVALID_POLICY.*\/x/)
  await refused([pod], /GRN_INVALID_CONFIG.*KUBECONFIG/)
})
