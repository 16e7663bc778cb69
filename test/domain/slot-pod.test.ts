import fc from 'fast-check'
import t from 'tap'
import { agentPodFrom } from '../../src/domain/agent-pod.ts'
import { checkPools, type PoolSpec } from '../../src/domain/pool.ts'
import { slotPod, templateHash } from '../../src/domain/slot-pod.ts'

function poolSpec(template: object, rest = ''): PoolSpec {
  const checked = checkPools(
    `pools: {echo-agent: {template: ${JSON.stringify(template)}, min: 1, max: 2${rest}}}`,
  )
  if (!checked.ok) throw new Error(checked.problems.join())
  return checked.value.pools['echo-agent'] as PoolSpec
}

void t.test('the pod says what the pool alone knows, and nothing of the policy', async (t) => {
  const spec = poolSpec({
    image: 'greenroom:0.1.0',
    command: ['node', 'src/agent/echo-agent.ts'],
    args: ['--loud'],
    env: [{ name: 'GREETING', value: 'hello' }],
    imagePullPolicy: 'IfNotPresent',
  })
  t.strictSame(slotPod('echo-agent', spec, { namespace: 'ai-agents' }), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'echo-agent-',
      namespace: 'ai-agents',
      labels: {
        'greenroom.dev/managed': 'true',
        'greenroom.dev/pool': 'echo-agent',
        'greenroom.dev/state': 'idle',
        'agent-type': 'echo-agent',
      },
      annotations: { 'greenroom.dev/template-hash': templateHash('echo-agent', spec) },
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'agent',
          image: 'greenroom:0.1.0',
          command: ['node', 'src/agent/echo-agent.ts'],
          args: ['--loud'],
          env: [{ name: 'GREETING', value: 'hello' }],
          imagePullPolicy: 'IfNotPresent',
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        },
      ],
    },
  })
})

void t.test('what the template leaves out is left out of the pod', async (t) => {
  const [container] =
    slotPod('echo-agent', poolSpec({ image: 'a:1' }), { namespace: 'n' }).spec?.containers ?? []
  t.strictSame(Object.keys(container ?? {}).sort(), ['image', 'name', 'ports'])
})

void t.test('the informer reads back what was written', async (t) => {
  const spec = poolSpec({ image: 'a:1' })
  const { metadata } = slotPod('echo-agent', spec, { namespace: 'n' })
  const { labels = {}, annotations = {} } = metadata ?? {}
  const seen = agentPodFrom({ metadata: { labels, annotations, uid: 'u', name: 'echo-agent-x' } })
  t.match(seen, {
    agentType: 'echo-agent',
    templateHash: templateHash('echo-agent', spec),
    stateLabel: 'idle',
  })
})

void t.test('the hash is the same everywhere, today and tomorrow', async (t) => {
  // A change here replaces every idle pod of every installation at the next upgrade: do it knowingly.
  t.equal(templateHash('echo-agent', poolSpec({ image: 'greenroom:0.1.0' })), '650b88b2f76491f5')
  const full = poolSpec({
    imagePullPolicy: 'Always',
    image: 'registry.example/echo@sha256:abc',
    env: [
      { value: '1', name: 'B' },
      { name: 'A', value: 'ü"\n' },
    ],
    command: ['node', 'a.ts'],
    args: ['--x', ''],
  })
  t.equal(templateHash('echo-agent', full), '3b73f93e54b57545')
  t.equal(templateHash('stella-light', full), '7d2ca288a70cd548')
})

void t.test('sizes do not enter the hash; type and every part of the template do', async (t) => {
  const hash = templateHash('echo-agent', poolSpec({ image: 'a:1', args: ['x', 'y'] }))
  t.equal(templateHash('echo-agent', poolSpec({ image: 'a:1', args: ['x', 'y'] }, ', frozen: true')), hash)
  const others = [
    templateHash('stella-agent', poolSpec({ image: 'a:1', args: ['x', 'y'] })),
    templateHash('echo-agent', poolSpec({ image: 'a:2', args: ['x', 'y'] })),
    templateHash('echo-agent', poolSpec({ image: 'a:1', args: ['y', 'x'] })),
    templateHash('echo-agent', poolSpec({ image: 'a:1', command: ['x', 'y'] })),
    templateHash('echo-agent', poolSpec({ image: 'a:1', args: ['xy'] })),
    templateHash('echo-agent', poolSpec({ image: 'a:1', args: ['x', 'y'], imagePullPolicy: 'Never' })),
  ]
  t.equal(new Set([hash, ...others]).size, others.length + 1)
})

void t.test('property: the order of keys does not matter', async () => {
  const template = fc.record(
    {
      image: fc.string({ minLength: 1 }),
      args: fc.array(fc.string()),
      env: fc.array(fc.record({ name: fc.string({ minLength: 1 }), value: fc.string() })),
    },
    { requiredKeys: ['image'] },
  )
  const spec = poolSpec({ image: 'a:1' })
  fc.assert(
    fc.property(template, (template) => {
      const turned = reverseKeys(template) as typeof template
      return (
        templateHash('a', { ...spec, template }) === templateHash('a', { ...spec, template: turned }) &&
        /^[0-9a-f]{16}$/.test(templateHash('a', { ...spec, template }))
      )
    }),
  )
})

function reverseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reverseKeys(member)]),
  )
}
