import type { V1Pod, V1PodSpec } from '@kubernetes/client-node'
import t from 'tap'
import { isShapedBy, podShape } from '../../src/domain/pod-shape.ts'
import type { PoolSpec } from '../../src/domain/pool.ts'

const agent = {
  name: 'agent',
  image: 'echo:1',
  command: ['node', 'echo.js'],
  args: ['--quiet'],
  env: [
    { name: 'B', value: '2' },
    { name: 'A', value: '1' },
  ],
}
const podWith = (spec: Partial<V1PodSpec> = {}): V1Pod => ({
  spec: { containers: [agent], volumes: [{ name: 'tmp', emptyDir: {} }], ...spec },
})
const withAgent = (change: object) => podWith({ containers: [{ ...agent, ...change }] })

void t.test('every way to run another program in a pod changes its shape', async (t) => {
  const made = podShape(podWith())
  const changes: Record<string, V1Pod> = {
    image: withAgent({ image: 'echo:2' }),
    command: withAgent({ command: ['sh'] }),
    args: withAgent({ args: [] }),
    'one more variable': withAgent({
      env: [...agent.env, { name: 'NODE_OPTIONS', value: '--require evil' }],
    }),
    'a variable less': withAgent({ env: [agent.env[0]] }),
    'another name': withAgent({ name: 'other' }),
    'one more container': podWith({ containers: [agent, { name: 'sidecar', image: 'x' }] }),
    'an init container': podWith({ initContainers: [{ name: 'init', image: 'x' }] }),
    'an ephemeral container': podWith({ ephemeralContainers: [{ name: 'debugger', image: 'x' }] }),
    'one more volume': podWith({ volumes: [{ name: 'tmp' }, { name: 'more' }] }),
    'a Secret as the volume': podWith({ volumes: [{ name: 'tmp', secret: { secretName: 's' } }] }),
  }
  for (const [what, pod] of Object.entries(changes)) t.not(podShape(pod), made, what)
})

void t.test('what Kubernetes itself writes, and the order of a list, change nothing', async (t) => {
  const made = podShape(podWith())
  const same: Record<string, V1Pod> = {
    'bound to a node': podWith({ nodeName: 'n1' }),
    'other resources': withAgent({ resources: { limits: { cpu: '1' } } }),
    'order of env': withAgent({ env: agent.env.toReversed() }),
    'a field that this version does not know': withAgent({ futureField: true }),
    'status and labels': Object.assign(podWith(), {
      metadata: { labels: { a: 'b' } },
      status: { phase: 'Running' },
    }),
  }
  for (const [what, pod] of Object.entries(same)) t.equal(podShape(pod), made, what)
  t.equal(podShape({}), podShape({ spec: { containers: [] } }), 'a pod without a specification has a shape')
})

void t.test('a pod of an older version is ours only if the template made it', async (t) => {
  const { image, command, args, env } = agent
  const spec = { template: { image, command, args, env } } as PoolSpec
  t.ok(isShapedBy(podWith(), spec))
  t.ok(isShapedBy(withAgent({ env: [...env, { name: 'GREENROOM_POD_UID' }] }), spec), 'with what is injected')
  t.ok(
    isShapedBy(podWith({ containers: [{ name: 'agent', image }] }), { template: { image } } as PoolSpec),
    'no command is no command',
  )
  for (const pod of [
    withAgent({ image: 'evil' }),
    withAgent({ command: ['sh'] }),
    withAgent({ args: undefined }),
    withAgent({ env: [] }),
    withAgent({ name: 'other' }),
    podWith({ containers: [agent, { name: 'sidecar', image: 'x' }] }),
    podWith({ initContainers: [{ name: 'init', image: 'x' }] }),
    podWith({ ephemeralContainers: [{ name: 'debugger', image: 'x' }] }),
    {},
  ])
    t.notOk(isShapedBy(pod, spec))
})
