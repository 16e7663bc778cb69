import type { VolumeMount } from '../pod/pod.ts'
import { isInjectedToken, tokenVolumePrefix } from '../pod/token-volume.ts'
import type { Draft } from './draft.ts'
import { startedContainers } from './field-path.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const serviceAccountToken: GreenroomRule = {
  rule: 'service-account-token',
  title: 'No ServiceAccount token',
  fields: [
    'spec.automountServiceAccountToken',
    `spec.volumes[${tokenVolumePrefix}*]`,
    `${startedContainers}.volumeMounts[${tokenVolumePrefix}*]`,
  ],
  allowed:
    "false, unless the row's `automountServiceAccountToken` is true; the volume that Kubernetes added for the token is removed",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'Agents do not talk to the API server, so they carry no token for it.',
  fix: 'Set automountServiceAccountToken to false: agents do not talk to the API server.',
  judge({ pod, row }) {
    const found = pod.spec.automountServiceAccountToken
    if (!row || row.automountServiceAccountToken || found === false) return []
    return [finding('spec.automountServiceAccountToken', found, 'false')]
  },
  mutate(draft, { row }) {
    // A pod that wants no token gets none, even where the row allows one.
    if (!row || row.automountServiceAccountToken) return
    draft.assign(draft.spec, { automountServiceAccountToken: false })
    removeTokens(draft)
  },
}

function removeTokens(draft: Draft): void {
  const { volumes = [] } = draft.spec
  const names = new Set(volumes.filter(isInjectedToken).map(({ name }) => name))
  if (names.size === 0) return
  const isKept = ({ name }: { readonly name: string }): boolean => !names.has(name)
  draft.assign(draft.spec, { volumes: volumes.filter(isKept) })
  for (const { container } of draft.containers) {
    const mounts: VolumeMount[] | undefined = container.volumeMounts
    if (mounts) draft.assign(container, { volumeMounts: mounts.filter(isKept) })
  }
}
