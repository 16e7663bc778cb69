import type { V1PodStatus } from '@kubernetes/client-node'
import t from 'tap'
import { podTroubleOf } from '../../src/domain/pod-trouble.ts'

/** A status as it is on the wire; the client's types want more of it. */
function troubleOf(status: object) {
  return podTroubleOf(status as V1PodStatus)
}

function agent(state: object, more: object = {}) {
  return { containerStatuses: [{ name: 'agent', state, ...more }] }
}

void t.test('what the kubelet and the scheduler say of a pod that cannot become Ready', (t) => {
  const table: readonly (readonly [object, string, string])[] = [
    [
      agent({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x:1"' } }),
      'image',
      'ImagePullBackOff: Back-off pulling image "x:1"',
    ],
    [agent({ waiting: { reason: 'InvalidImageName' } }), 'image', 'InvalidImageName'],
    [
      agent({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }),
      'config',
      'CreateContainerConfigError: secret "s" not found',
    ],
    [
      agent({ terminated: { exitCode: 3, reason: 'Error', message: 'no model at MODEL_TOKEN=abcdefgh' } }),
      'crash',
      'container agent ended: Error (exit code 3): no model at MODEL_TOKEN=***',
    ],
    [
      agent(
        { waiting: { reason: 'CrashLoopBackOff' } },
        { lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
      ),
      'crash',
      'container agent ended: OOMKilled (exit code 137)',
    ],
    [
      { initContainerStatuses: [{ name: 'fetch', state: { terminated: { exitCode: 1 } } }] },
      'crash',
      'container fetch ended: Error (exit code 1)',
    ],
    [
      agent({ terminated: { exitCode: 143, reason: 'Error' } }),
      'crash',
      'container agent ended: Error (exit code 143), killed from outside, as when its startup or liveness probe fails',
    ],
    [
      {
        phase: 'Failed',
        reason: 'Evicted',
        message: 'low on memory',
        ...agent({ terminated: { exitCode: 137 } }),
      },
      'node',
      'Evicted: low on memory',
    ],
    [
      {
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' },
        ],
      },
      'unschedulable',
      'Unschedulable: 0/1 nodes',
    ],
  ]
  for (const [status, cause, message] of table) t.same(troubleOf(status), { cause, message })
  t.end()
})

void t.test('a pod on its way has no trouble', (t) => {
  t.equal(troubleOf({}), undefined)
  t.equal(troubleOf(agent({ waiting: { reason: 'ContainerCreating' } })), undefined)
  t.equal(troubleOf(agent({ waiting: { reason: 'constructor' } })), undefined)
  t.equal(troubleOf(agent({ running: {} })), undefined)
  t.equal(
    troubleOf({ initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 0 } } }] }),
    undefined,
  )
  t.equal(troubleOf({ conditions: [{ type: 'PodScheduled', status: 'True' }] }), undefined)
  t.end()
})
