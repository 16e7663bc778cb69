import { agentContainer } from './agent-container.ts'
import { agentType } from './agent-type.ts'
import { allowedTolerations } from './allowed-tolerations.ts'
import { allowedVolumes } from './allowed-volumes.ts'
import { appLabel } from './app-label.ts'
import { assignKeys } from './assign-keys.ts'
import { commands } from './commands.ts'
import { componentClaims } from './component-claims.ts'
import { componentLabel } from './component-label.ts'
import { componentSecrets } from './component-secrets.ts'
import { componentShape } from './component-shape.ts'
import { containerCount } from './container-count.ts'
import { copiedPod } from './copied-pod.ts'
import { emptyDirSize } from './empty-dir-size.ts'
import { ephemeralClaims } from './ephemeral-claims.ts'
import { gracePeriod } from './grace-period.ts'
import type { GreenroomRule } from './greenroom-rule.ts'
import { images } from './images.ts'
import { injectedEnv } from './injected-env.ts'
import { labelOwnership } from './label-ownership.ts'
import { malformed } from './malformed.ts'
import { nodeAffinity } from './node-affinity.ts'
import { nodeName } from './node-name.ts'
import { operatingSystem } from './operating-system.ts'
import { ownPodChanges } from './own-pod-changes.ts'
import { policyDigest } from './policy-digest.ts'
import { policyVersion } from './policy-version.ts'
import { poolCredentials } from './pool-credentials.ts'
import { priorityClass } from './priority-class.ts'
import { probes } from './probes.ts'
import { projectedToken } from './projected-token.ts'
import { readOnlyRoot } from './read-only-root.ts'
import { refusedFields } from './refused-fields.ts'
import { resourceClaims } from './resource-claims.ts'
import { resourceRange } from './resource-range.ts'
import { resources } from './resources.ts'
import { rootInitContainers } from './root-init-containers.ts'
import { runtimeClass } from './runtime-class.ts'
import { secretReferences } from './secret-references.ts'
import { securityContext } from './security-context.ts'
import { serviceAccount } from './service-account.ts'
import { serviceAccountName } from './service-account-name.ts'
import { serviceAccountToken } from './service-account-token.ts'
import { systemPriority } from './system-priority.ts'
import { tolerations } from './tolerations.ts'
import { topologySpread } from './topology-spread.ts'
import { unknownFields } from './unknown-fields.ts'
import { userIds } from './user-ids.ts'
import { writablePaths } from './writable-paths.ts'

/**
 * What a pod is and whose it is: said before anything else that may be wrong with it. Root init containers are here
 * because their reason says more than that of Pod Security.
 */
export const identityRules: readonly GreenroomRule[] = [
  malformed,
  labelOwnership,
  ownPodChanges,
  poolCredentials,
  agentType,
  componentLabel,
  componentShape,
  rootInitContainers,
]

/** What a pod may have by its row. Pod Security is judged before them. */
export const rowRules: readonly GreenroomRule[] = [
  copiedPod,
  operatingSystem,
  serviceAccount,
  secretReferences,
  componentSecrets,
  componentClaims,
  images,
  commands,
  allowedVolumes,
  resourceClaims,
  refusedFields,
  unknownFields,
  ephemeralClaims,
  containerCount,
  agentContainer,
  appLabel,
  policyVersion,
  policyDigest,
  assignKeys,
  serviceAccountName,
  securityContext,
  userIds,
  readOnlyRoot,
  resources,
  resourceRange,
  emptyDirSize,
  probes,
  serviceAccountToken,
  projectedToken,
  injectedEnv,
  writablePaths,
  nodeAffinity,
  tolerations,
  allowedTolerations,
  nodeName,
  topologySpread,
  runtimeClass,
  priorityClass,
  systemPriority,
  gracePeriod,
]

/** Every rule of Greenroom's own, in the order in which they judge and change a pod. */
export const greenroomRules: readonly GreenroomRule[] = [...identityRules, ...rowRules]
