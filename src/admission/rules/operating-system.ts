import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const rule = { rule: 'operating-system', allowed: 'linux or unset', fix: 'Agents run on Linux.' }

/**
 * Fields: `spec.os.name`. Allowed: linux, unset. The API refuses the hardened fields on a Windows pod, so the mutator
 * leaves such a pod alone, and no mode lets it through unhardened.
 */
export const checkOperatingSystem: Check = ({ pod }) => {
  const name = pod.spec.os?.name ?? 'linux'
  return name === 'linux' ? [] : [violationOf(rule, 'spec.os.name', name)]
}
