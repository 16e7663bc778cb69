import { checkAgentContainer } from './agent-container.ts'
import { checkAppLabel } from './app-label.ts'
import { checkEmptyDirSize } from './empty-dir-size.ts'
import { checkGracePeriod } from './grace-period.ts'
import type { GreenroomCheck } from './greenroom-rule.ts'
import { checkInjectedEnv } from './injected-env.ts'
import { checkNodeAffinity } from './node-affinity.ts'
import { checkPriorityClass } from './priority-class.ts'
import { checkProbes } from './probes.ts'
import { checkReadOnlyRoot } from './read-only-root.ts'
import { checkResources } from './resources.ts'
import { checkRuntimeClass } from './runtime-class.ts'
import { checkSecurityContext } from './security-context.ts'
import { checkServiceAccountName } from './service-account-name.ts'
import { checkServiceAccountToken } from './service-account-token.ts'
import { checkTolerations } from './tolerations.ts'
import { checkTopologySpread } from './topology-spread.ts'
import { checkUserIds } from './user-ids.ts'
import { checkWritablePaths } from './writable-paths.ts'

/** What the mutator has set; on a pod that it does not shape they would only repeat that. The table says what. */
export const shapedChecks: readonly GreenroomCheck[] = [
  {
    rule: 'agent-container',
    title: 'Which container is the agent',
    fields: '`spec.containers[*].name`',
    allowed: 'one container, or one named `agent`; pods of row `default` need none',
    mutated: 'no',
    judge: checkAgentContainer,
  },
  {
    rule: 'app-label',
    title: 'Label app',
    fields: '`metadata.labels[app]`',
    allowed: "the row's `appLabel`",
    mutated: 'where absent',
    judge: checkAppLabel,
  },
  {
    rule: 'service-account-name',
    title: 'ServiceAccount',
    fields: '`spec.serviceAccountName`',
    allowed: "the row's `serviceAccountName`, where it names one",
    mutated: 'yes',
    judge: checkServiceAccountName,
  },
  {
    rule: 'security-context',
    title: 'Security context',
    fields:
      '`securityContext` of the pod (`runAsNonRoot`, `seccompProfile`) and of containers and init containers (also `allowPrivilegeEscalation`)',
    allowed: 'exactly what the webhook sets; stricter than restricted, which allows Localhost profiles',
    mutated: 'yes',
    judge: checkSecurityContext,
  },
  {
    rule: 'user-ids',
    title: 'User and group',
    fields: '`runAsUser`, `runAsGroup`, `fsGroup` of the pod and `runAsUser`, `runAsGroup` of its containers',
    allowed: "the row's `securityContext`",
    mutated: 'yes',
    judge: checkUserIds,
  },
  {
    rule: 'read-only-root',
    title: 'Read-only root',
    fields: '`securityContext.readOnlyRootFilesystem` of containers and init containers',
    allowed: 'true',
    mutated: 'yes',
    judge: checkReadOnlyRoot,
  },
  {
    rule: 'resources',
    title: 'Requests and limits',
    fields: '`resources.{requests,limits}` of containers and init containers, `spec.resources`',
    allowed: "the row's `resources` on the agent container, `sidecar` on others; none on the pod as a whole",
    mutated: 'yes',
    judge: checkResources,
  },
  {
    rule: 'empty-dir-size',
    title: 'Size of emptyDir',
    fields: '`spec.volumes[*].emptyDir.sizeLimit`',
    allowed: 'above 0',
    mutated: 'where absent',
    judge: checkEmptyDirSize,
  },
  {
    rule: 'probes',
    title: 'Probes',
    fields: '`{livenessProbe,readinessProbe,startupProbe}` of the agent container',
    allowed: "the row's, where it names one",
    mutated: 'yes',
    judge: checkProbes,
  },
  {
    rule: 'service-account-token',
    title: 'No ServiceAccount token',
    fields: '`spec.automountServiceAccountToken`',
    allowed: "the row's `automountServiceAccountToken`",
    mutated: 'yes',
    judge: checkServiceAccountToken,
  },
  {
    rule: 'injected-env',
    title: 'Environment that Greenroom decides',
    fields: "`env[*]` of the agent container: the `GREENROOM_*` variables and the row's `secrets`",
    allowed: 'there, once or oftener, each as the webhook sets it',
    mutated: 'yes',
    judge: checkInjectedEnv,
  },
  {
    rule: 'writable-paths',
    title: 'Writable places of bounded size',
    fields: '`volumeMounts[*].mountPath` of containers and init containers, the volumes behind them',
    allowed: "a mount at each of the row's `writablePaths`; an emptyDir of its size",
    mutated: 'where absent',
    judge: checkWritablePaths,
  },
  {
    rule: 'node-affinity',
    title: 'Node affinity',
    fields: '`spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`',
    allowed: "the row's `nodeAffinity` in every term",
    mutated: 'yes',
    judge: checkNodeAffinity,
  },
  {
    rule: 'tolerations',
    title: 'Tolerations',
    fields: '`spec.tolerations`',
    allowed: "the row's `tolerations` among them",
    mutated: 'yes',
    judge: checkTolerations,
  },
  {
    rule: 'topology-spread',
    title: 'Topology spread',
    fields: '`spec.topologySpreadConstraints`',
    allowed: "the row's among them",
    mutated: 'yes',
    judge: checkTopologySpread,
  },
  {
    rule: 'runtime-class',
    title: 'Runtime class',
    fields: '`spec.runtimeClassName`',
    allowed: "the row's, where it names one",
    mutated: 'yes',
    judge: checkRuntimeClass,
  },
  {
    rule: 'priority-class',
    title: 'Priority class',
    fields: '`spec.priorityClassName`',
    allowed: "the row's, where it names one",
    mutated: 'yes',
    judge: checkPriorityClass,
  },
  {
    rule: 'grace-period',
    title: 'Grace period',
    fields: '`spec.terminationGracePeriodSeconds`',
    allowed: "the row's `gracePeriodSeconds`",
    mutated: 'yes',
    judge: checkGracePeriod,
  },
]
