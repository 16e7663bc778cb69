import { Compile } from 'typebox/compile'
import { type Checked, checkYaml } from '../../domain/checked-document.ts'
import { PolicyDocument } from '../policy/policy-document.ts'
import { policyRelations } from '../policy/policy-relations.ts'
import { greenroomRules } from './greenroom-rules.ts'

const validator = Compile(PolicyDocument)

/** The rules whose mode a policy may set, by name in alphabetical order. Every other rule is always enforced. */
export const settableRules: readonly string[] = greenroomRules
  .filter(({ mode }) => mode === 'settable')
  .map(({ rule }) => rule)
  .sort()

/** Checks the text of `policy.yaml`; the problems name their paths. */
export function checkPolicy(text: string): Checked<PolicyDocument> {
  return checkYaml<PolicyDocument>(text, validator, {
    relations: (policy) => policyRelations(policy, settableRules),
  })
}

/** In force while no document was ever accepted: everything restricted, no agent types, so every type is unknown. */
export const builtInPolicy: PolicyDocument = acceptedOrThrow(`
version: built-in
agentTypes:
  default:
    resources:
      requests: { cpu: 50m, memory: 64Mi }
      limits: { cpu: 250m, memory: 256Mi }
`)

function acceptedOrThrow(text: string): PolicyDocument {
  const checked = checkPolicy(text)
  if (!checked.ok) throw new Error(`the built-in policy is not valid: ${checked.problems.join('; ')}`)
  return checked.value
}
