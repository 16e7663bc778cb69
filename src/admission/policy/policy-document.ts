import { type Static, Type } from 'typebox'
import { agentTypePattern } from '../../domain/agent-type-name.ts'
import { modes } from '../pod/violation.ts'
import { Owners } from './owners.ts'
import { Component } from './policy-component.ts'
import { Defaults, Row } from './policy-row.ts'
import { closed, oneOf, serviceAccountUser } from './policy-scalars.ts'

/**
 * ConfigMap `agent-policy`, key `policy.yaml`: the one table that the mutator and the validator both read, so they cannot
 * disagree. One declaration gives schema, static type and defaults.
 */

/** The identity of Greenroom's controller, which alone creates and labels pods of pools. */
const controllerUsername = 'system:serviceaccount:ai-agents:session-management-sa'

const Rollout = Type.Object(
  {
    audit: Type.Array(Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }), {
      default: [],
      description:
        'Namespaces whose pods are judged, but neither changed nor denied: what would happen is warned of and audited ' +
        "as not-enforced. Pods of Greenroom's own ServiceAccounts are treated in full; its labels and accounts stay its own.",
    }),
  },
  { ...closed, default: {} },
)

export const PolicyDocument = Type.Object(
  {
    version: Type.String({ minLength: 1, maxLength: 63, description: 'Noted on every pod that it shaped.' }),
    defaults: Defaults,
    agentTypes: Type.Record(Type.String({ pattern: agentTypePattern }), Row, {
      description: 'A row for each agent type. Row "default" is for pods without the label agent-type.',
      // The pattern alone lets keys of another form through unchecked, and typebox's Default throws on a closed one.
      propertyNames: { pattern: agentTypePattern },
    }),
    components: Type.Array(Component, {
      default: [],
      description: "Greenroom's own pods in a namespace of agents, by ServiceAccount and image.",
    }),
    greenroomServiceAccounts: Type.Array(serviceAccountUser, {
      default: [controllerUsername],
      description: 'Who may set greenroom.dev/* and session.',
    }),
    namespaceOwners: Owners('Who may take a namespace out of the policy.'),
    policyOwners: Owners(
      'Who may write ConfigMaps agent-policy and greenroom-assign-keys while a policy is in force. Name yourself, and what applies it for you.',
    ),
    debugPools: oneOf(['refuse', 'allow'], {
      default: 'refuse',
      description:
        'Whether people may start debug containers in pods of pools. One in a claimed pod can read the secrets of its session.',
    }),
    modes: Type.Record(Type.String(), oneOf(modes), {
      default: {},
      description:
        'How strictly a rule is kept; absent: enforce. A rule that warns or audits changes nothing in a pod either.',
    }),
    rollout: Rollout,
  },
  closed,
)
export type PolicyDocument = Static<typeof PolicyDocument>
