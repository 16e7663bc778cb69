import {
  type DoctorCheck,
  type Finding,
  failed,
  isBelow,
  ok,
  skipped,
  versionOf,
  warning,
} from './doctor-check.ts'

/** The admission policy knows the fields of this version; thin pods grow from 1.35 on (docs/quota.md). */
const oldestKubernetes = [1, 30] as const
const newestKubernetes = [1, 36] as const

export const kubernetesVersion: DoctorCheck<'kubernetes'> = {
  name: 'kubernetes-version',
  title: 'Kubernetes is reached, and of a version that is known',
  when: 'always',
  part: 'kubernetes',
  reaches: true,
  why: 'Manifests need 1.30. The webhook refuses fields of pods that it does not know, and it knows those of 1.36.',
  fix: 'kubectl version',
  async run({ transport }) {
    const { gitVersion } = await transport.getJson<{ gitVersion: string }>('/version')
    return judgeKubernetes(gitVersion)
  },
}

export function judgeKubernetes(version: string): Finding {
  const found = versionOf(version)
  if (found[0] === 0) return skipped(`The API server calls itself ${version}, as one that was built by hand.`)
  if (isBelow(found, oldestKubernetes)) return failed(`Kubernetes ${version} is older than 1.30.`)
  if (isBelow(newestKubernetes, found))
    return warning(
      `Kubernetes ${version} is newer than 1.36: new fields of pods are refused until Greenroom knows them.`,
    )
  return ok(`Kubernetes ${version}.`)
}
