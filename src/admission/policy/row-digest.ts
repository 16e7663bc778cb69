import { canonicalJson } from '../../domain/canonical-json.ts'
import { versionHash } from '../../domain/version-hash.ts'
import { type EffectiveRow, withoutRange } from './effective-row.ts'
import { oncePer } from './once-per.ts'

/**
 * Names what a row makes of a pod. It is noted on each agent's pod, and the controller replaces idle pods whose row in force
 * has another digest. What only judges (allowed images, Secrets, commands, kinds of volumes) is not part of it: a pod that
 * was admitted stays as good as it was.
 *
 * The number before the dash is the version of this function. Digests of two versions are never compared, so that an
 * upgrade of the webhook before the controller, or after it, replaces no pod. Raise it with every change of the fields.
 */
export const rowDigest = oncePer((row: EffectiveRow): string => {
  const text = canonicalJson({
    securityContext: row.securityContext,
    allowedGroups: row.allowedGroups,
    probes: row.probes,
    env: row.env,
    secretEnv: row.secretEnv,
    writablePaths: row.writablePaths,
    emptyDirSizeLimit: row.emptyDirSizeLimit,
    nodeAffinity: row.nodeAffinity,
    tolerations: row.tolerations,
    topologySpread: row.topologySpread,
    runtimeClassName: row.runtimeClassName,
    priorityClassName: row.priorityClassName,
    serviceAccountName: row.serviceAccountName,
    automountServiceAccountToken: row.automountServiceAccountToken,
    appLabel: row.appLabel,
    gracePeriodSeconds: row.gracePeriodSeconds,
    secretsVersion: row.secretsVersion,
    // A range only judges what a pod asks for itself.
    resources: withoutRange(row.resources),
    idle: row.idle,
    sidecar: withoutRange(row.sidecar),
  })
  return `${digestVersion}-${versionHash(text)}`
})

const digestVersion = 1
