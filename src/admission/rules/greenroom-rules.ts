import { checkAgentType } from './agent-type.ts'
import { checkComponentShape } from './component-shape.ts'
import type { GreenroomCheck, GreenroomRule } from './greenroom-rule.ts'
import { managedChecks } from './managed-checks.ts'
import { shapedChecks } from './shaped-checks.ts'

export const agentType: GreenroomCheck = {
  rule: 'agent-type',
  title: 'A row of the table',
  fields: '`metadata.labels[agent-type]`',
  allowed: 'a name in `agentTypes` of the policy; unset if there is a row `default`',
  mutated: 'no',
  judge: checkAgentType,
}

export const componentShape: GreenroomCheck = {
  rule: 'component-shape',
  title: "The shape of Greenroom's own pods",
  fields: 'every field of a pod that runs under the ServiceAccount and with the image of a component',
  allowed: "only the command, args, environment and mounts that the component's row lists",
  mutated: 'no',
  judge: checkComponentShape,
}

/** Every rule of Greenroom's own. */
export const greenroomRules: readonly GreenroomRule[] = [
  {
    rule: 'malformed',
    title: 'A pod that can be read',
    fields: 'the whole object',
    allowed: 'a pod of v1',
    mutated: 'no',
  },
  agentType,
  {
    rule: 'label-ownership',
    title: "Greenroom's labels and annotations",
    fields:
      '`metadata.{labels,annotations}` below `greenroom.dev/`, label `session`; on `pods/status` and `pods/binding` too',
    allowed: "unset or unchanged, but for Greenroom's own ServiceAccounts",
    mutated: 'no',
  },
  componentShape,
  ...managedChecks,
  ...shapedChecks,
  // Found by the two checks of resources and tokens, and told apart from them: no mutation can put these right.
  {
    rule: 'resource-range',
    title: 'Requests and limits in the range of the row',
    fields: '`resources.{requests,limits}` of containers and init containers',
    allowed:
      'where the row gives `min` and `max`: between them, the request not above the limit; nothing that the row does not name',
    mutated: 'no',
  },
  {
    rule: 'projected-token',
    title: 'No token by another way',
    fields: '`spec.volumes[*].projected.sources[*].serviceAccountToken`',
    allowed: "unset, unless the row's `automountServiceAccountToken` is true",
    mutated: 'no',
  },
]
