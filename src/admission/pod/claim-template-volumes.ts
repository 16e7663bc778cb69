import { isJsonObject, type JsonObject } from './json-object.ts'

/**
 * A pod template's spec with the volumes that the controller of a StatefulSet adds for its claim templates, as its first pod
 * gets them. Of any other workload the spec as it is.
 */
export function withClaimTemplates(workload: unknown, spec: JsonObject): JsonObject {
  const claims = claimNames(workload)
  if (claims.length === 0) return spec
  const given: readonly unknown[] = Array.isArray(spec.volumes) ? spec.volumes : []
  const others = given.filter((volume) => !isJsonObject(volume) || !claims.includes(String(volume.name)))
  const name = isJsonObject(workload) && isJsonObject(workload.metadata) ? workload.metadata.name : undefined
  const made = claims.map((claim) => ({
    name: claim,
    persistentVolumeClaim: { claimName: `${claim}-${String(name)}-0` },
  }))
  return { ...spec, volumes: [...others, ...made] }
}

function claimNames(workload: unknown): readonly string[] {
  if (!isJsonObject(workload) || !isJsonObject(workload.spec)) return []
  const { volumeClaimTemplates } = workload.spec
  if (!Array.isArray(volumeClaimTemplates)) return []
  return volumeClaimTemplates.flatMap((claim: unknown) =>
    isJsonObject(claim) && isJsonObject(claim.metadata) && typeof claim.metadata.name === 'string'
      ? [claim.metadata.name]
      : [],
  )
}
