import { agentContainerName } from '../../domain/names.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const agentContainer: GreenroomRule = {
  rule: 'agent-container',
  title: 'Which container is the agent',
  fields: ['spec.containers[*].name'],
  allowed: `one container, or one named \`${agentContainerName}\`; pods of row \`default\` need none`,
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'no',
  why: 'One container gets the resources, probes and keys of the type, so it must be clear which one.',
  fix: `Name the container that serves the session "${agentContainerName}".`,
  judge({ pod, podClass, agentContainer: agent }) {
    if (podClass.kind !== 'agent' || agent) return []
    const names = pod.spec.containers.map((container) => container.name)
    return [finding('spec.containers', names, `one container, or one named ${agentContainerName}`)]
  },
}
