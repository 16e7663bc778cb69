import { everyPodButComponents, finding, type GreenroomRule } from './greenroom-rule.ts'

export const serviceAccount: GreenroomRule = {
  rule: 'service-account',
  title: "Greenroom's own ServiceAccounts",
  fields: ['spec.serviceAccountName'],
  allowed:
    'neither that of a row in `components` nor, in its own namespace, one of `greenroomServiceAccounts`',
  appliesTo: everyPodButComponents,
  mode: 'always',
  mutated: 'no',
  why: 'A pod under such an account could write the owned labels and read the key that signs assignments.',
  fix: 'Use another ServiceAccount; an agent needs no rights of its own.',
  guardsGreenroom: true,
  judge({ pod, namespace, policy }) {
    const name = pod.spec.serviceAccountName
    if (name === undefined) return []
    const { components, greenroomServiceAccounts } = policy
    const isReserved =
      components.some((component) => component.serviceAccount === name) ||
      greenroomServiceAccounts.includes(`system:serviceaccount:${namespace}:${name}`)
    return isReserved
      ? [finding('spec.serviceAccountName', name, "any but those of Greenroom's own components")]
      : []
  },
}
