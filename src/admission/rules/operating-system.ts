import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const operatingSystem: GreenroomRule = {
  rule: 'operating-system',
  title: 'Operating system',
  fields: ['spec.os.name'],
  allowed: 'linux or unset',
  appliesTo: podsOfRows,
  mode: 'always',
  mutated: 'no',
  why: 'The API refuses the hardened fields on a Windows pod, so such a pod cannot be made safe.',
  fix: 'Agents run on Linux.',
  judge({ pod }) {
    const name = pod.spec.os?.name ?? 'linux'
    return name === 'linux' ? [] : [finding('spec.os.name', name, 'linux or unset')]
  },
}
