import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

/** A container can only name claims of its pod, so those of the pod are judged. */
export const resourceClaims: GreenroomRule = {
  rule: 'resource-claims',
  title: 'Devices by resource claims',
  fields: ['spec.resourceClaims[*].{resourceClaimName,resourceClaimTemplateName}'],
  allowed:
    "claims made for the pod from one of the row's `resourceClaimTemplates`; no claim that exists already, for another pod may own it",
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: 'A claim brings a device of the node into the pod, and a device is as much as a resource for the row to give.',
  fix: "Name the claim template in the row's resourceClaimTemplates, or leave the claim out.",
  judge({ pod, row }) {
    if (!row) return []
    const templates = row.resourceClaimTemplates
    return (pod.spec.resourceClaims ?? []).flatMap((claim, index): Finding[] => {
      const { resourceClaimName, resourceClaimTemplateName: template } = claim
      const path = `spec.resourceClaims[${index}]`
      if (resourceClaimName === undefined && template !== undefined && templates.includes(template)) return []
      const field = resourceClaimName === undefined ? 'resourceClaimTemplateName' : 'resourceClaimName'
      return [finding(`${path}.${field}`, claim[field], allowedTemplates(templates))]
    })
  },
}

function allowedTemplates(templates: readonly string[]): string {
  return templates.length === 0 ? 'no claim' : `resourceClaimTemplateName ${templates.join(', ')}`
}
