import { agentContainerName } from '../../domain/names.ts'
import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const rule = {
  rule: 'agent-container',
  allowed: `one container, or one named ${agentContainerName}`,
  fix: `Name the container that serves the session "${agentContainerName}".`,
}

/**
 * Which container is the agent. Fields: `spec.containers[*].name`.
 * Allowed: one container, or several with one named `agent`. Pods of row `default` need none.
 */
export const checkAgentContainer: Check = ({ pod, standing, agentContainer }) =>
  standing.kind === 'agent' && !agentContainer
    ? [
        violationOf(
          rule,
          'spec.containers',
          pod.spec.containers.map((container) => container.name),
        ),
      ]
    : []
