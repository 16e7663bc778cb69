import { agentEnv } from '../../domain/names.ts'
import type { Container, EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'

/** What the webhook tells an agent of its own pod, and by which it knows its own work again in a copy of the pod. */

const podUid = fieldEnv(agentEnv.podUid, 'metadata.uid')
const podFields = [
  podUid,
  fieldEnv(agentEnv.podName, 'metadata.name'),
  fieldEnv(agentEnv.podIp, 'status.podIP'),
]

function fieldEnv(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

/** The type is a value: a copy of a pod comes without the label, and a reference to the label would say nothing there. */
export function ownPodEnv(agentType: string): readonly EnvVar[] {
  return [...podFields, { name: agentEnv.agentType, value: agentType }]
}

/** True if the webhook has shaped this container as an agent. An author who writes the same into a pod gains nothing by it. */
export function isShapedAgent({ env = [] }: Container): boolean {
  return (
    env.some((entry) => entry.name === agentEnv.podUid && sameValue(entry, podUid)) &&
    env.some(({ name }) => name === agentEnv.assignKeys) &&
    env.some(({ name }) => name === agentEnv.agentType)
  )
}

/** The agent type that a shaped container was given; undefined if it was shaped by a version that only referred to it. */
export function shapedTypeOf({ env = [] }: Container): string | undefined {
  return env.find(({ name }) => name === agentEnv.agentType)?.value
}
