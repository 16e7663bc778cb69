import t from 'tap'
import { mutated, violationsIn } from '../pod-creation.ts'
import { inForceOf, policy, samplePod } from '../pod-samples.ts'

const { echo, ...others } = { echo: policy.agentTypes['echo-agent'], ...policy.agentTypes }
const within = inForceOf({
  ...policy,
  agentTypes: { ...others, 'echo-agent': { ...echo, resourceClaimTemplates: ['one-gpu'] } },
})

function found(claims: object[], agentType = 'echo-agent'): string[] {
  const pod = samplePod({
    labels: { 'agent-type': agentType },
    container: { resources: { claims: [{ name: 'gpu' }] } as object },
    spec: { resourceClaims: claims },
  })
  return violationsIn(mutated(pod, within), within)
    .filter(({ rule }) => rule === 'resource-claims')
    .map(({ rule, path, allowed }) => `${rule} ${path}: ${allowed}`)
}

void t.test('a device comes only by a claim template that the row names', async (t) => {
  const claim = (template: string) => ({ name: 'gpu', resourceClaimTemplateName: template })
  const at = 'resource-claims spec.resourceClaims[0]'
  t.same(found([claim('one-gpu')]), [])
  t.same(found([claim('all-gpus')]), [`${at}.resourceClaimTemplateName: resourceClaimTemplateName one-gpu`])
  t.same(found([claim('one-gpu')], 'stella-agent'), [`${at}.resourceClaimTemplateName: no claim`])
  t.same(
    found([{ name: 'gpu', resourceClaimName: 'one-gpu' }]),
    [`${at}.resourceClaimName: resourceClaimTemplateName one-gpu`],
    'a claim that is there already may be of another pod',
  )
  t.match(found([{ name: 'gpu' }]), [new RegExp(`resourceClaimTemplateName`)], 'a claim of nothing')
})
