import type { V1Container, V1PodSpec } from '@kubernetes/client-node'
import t from 'tap'
import { less, podResources, takenOf } from '../../src/domain/pod-resources.ts'

const cpu = (request: string | undefined, limit: string, more: object = {}): V1Container => ({
  name: 'agent',
  resources: { ...(request && { requests: { cpu: request } }), limits: { cpu: limit } },
  ...more,
})
const resourcesOf = (spec: Partial<V1PodSpec>) => podResources({ spec: { containers: [], ...spec } })
const milli = (n: number) => BigInt(n) * 10n ** 6n
const taken = (spec: Partial<V1PodSpec>) => {
  const { all } = resourcesOf(spec)
  return [takenOf('requests.cpu', all), takenOf('limits.cpu', all)]
}

void t.test('what a pod takes, as a quota counts it', async (t) => {
  const agent = cpu('100m', '1')
  const sidecar = cpu('50m', '200m', { name: 'proxy' })
  t.same(taken({ containers: [agent] }), [milli(100), milli(1_000)])
  t.same(taken({ containers: [cpu(undefined, '1')] }), [milli(1_000), milli(1_000)], 'a limit is a request')
  t.same(taken({ containers: [sidecar, agent] }), [milli(150), milli(1_200)])
  t.same(
    taken({ containers: [agent], initContainers: [cpu('300m', '300m', { name: 'fetch' })] }),
    [milli(300), milli(1_000)],
    'the larger of what starts and what runs, resource by resource',
  )
  const restartable = cpu('50m', '200m', { name: 'proxy', restartPolicy: 'Always' })
  t.same(taken({ containers: [agent], initContainers: [restartable] }), [milli(150), milli(1_200)])
  t.same(
    taken({ containers: [agent], initContainers: [restartable, cpu('300m', '300m', { name: 'fetch' })] }),
    [milli(350), milli(1_200)],
    'an init container runs beside the sidecars that began before it',
  )
  t.same(taken({ containers: [agent], overhead: { cpu: '20m' } }), [milli(120), milli(1_000)])
  t.same(taken({}), [0n, 0n])
})

void t.test('the agent, and what is beside it', async (t) => {
  const { agent, all } = resourcesOf({ containers: [cpu('1m', '2m', { name: 'proxy' }), cpu('100m', '1')] })
  t.same(agent, { requests: { cpu: milli(100) }, limits: { cpu: milli(1_000) } })
  t.same(less(all, agent), { requests: { cpu: milli(1) }, limits: { cpu: milli(2) } })
  t.same(less(agent, all).requests, { cpu: 0n }, 'never negative')
})

void t.test('the names of a quota', async (t) => {
  const pod = { requests: { cpu: 1n, 'nvidia.com/gpu': 2n, 'ephemeral-storage': 3n }, limits: { memory: 4n } }
  for (const [resource, amount] of [
    ['pods', 10n ** 9n],
    ['count/pods', 10n ** 9n],
    ['cpu', 1n],
    ['requests.cpu', 1n],
    ['limits.cpu', 0n],
    ['limits.memory', 4n],
    ['requests.nvidia.com/gpu', 2n],
    ['ephemeral-storage', 3n],
    ['requests.ephemeral-storage', 3n],
    ['persistentvolumeclaims', 0n],
    ['count/secrets', 0n],
  ] as const)
    t.equal(takenOf(resource, pod), amount, resource)
})
