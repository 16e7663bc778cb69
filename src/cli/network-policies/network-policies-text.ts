import { Document, isCollection, isMap, isScalar, isSeq, visit } from 'yaml'
import type { ExplainedPolicy } from './explained-policy.ts'

/** YAML of the policies, with what each is for as a comment. */
export function networkPoliciesText(policies: readonly ExplainedPolicy[]): string {
  return policies.map(policyText).join('---\n')
}

function policyText(policy: ExplainedPolicy): string {
  const { name, namespace, why, podSelector, policyTypes, ingress, egress } = policy
  const document = new Document(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace },
      spec: {
        podSelector,
        policyTypes,
        ...(ingress && { ingress: ingress.map(({ rule }) => rule) }),
        ...(egress && { egress: egress.map(({ rule }) => rule) }),
      },
    },
    { aliasDuplicateObjects: false },
  )
  for (const [list, rules] of Object.entries({ ingress, egress })) {
    for (const [index, { why: reason }] of (rules ?? []).entries()) {
      const node = document.getIn(['spec', list, index], true)
      if (reason !== undefined && isCollection(node)) node.commentBefore = ` ${reason}`
    }
  }
  visit(document, {
    // Each port on one line.
    Pair(_, { key, value }) {
      if (!isScalar(key) || key.value !== 'ports' || !isSeq(value)) return
      for (const port of value.items) if (isMap(port)) port.flow = true
    },
  })
  return `${commented(why)}${document.toString({ lineWidth: 0 })}`
}

function commented(text: string): string {
  return text
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('')
}
