import type { CheckDescription } from './check-description.ts'
import { checkAgentContainer } from './checks/agent-container.ts'
import { checkAppLabel } from './checks/app-label.ts'
import { checkGracePeriod } from './checks/grace-period.ts'
import { checkInjectedEnv } from './checks/injected-env.ts'
import { checkOperatingSystem } from './checks/operating-system.ts'
import { checkProbes } from './checks/probes.ts'
import { checkResources } from './checks/resources.ts'
import { checkSecretReferences } from './checks/secret-references.ts'
import { checkSecurityContext } from './checks/security-context.ts'
import { checkServiceAccount } from './checks/service-account.ts'
import { checkServiceAccountToken } from './checks/service-account-token.ts'
import { checkTmpVolume } from './checks/tmp-volume.ts'
import type { Check } from './judged-pod.ts'

/** A rule that Greenroom has besides the Pod Security Standards. */
export interface GreenroomRule extends CheckDescription {
  readonly standard: 'greenroom'
  /** What the fields may hold, in words; the exact values are the policy's. */
  readonly allowed: string
  /** `enforced`: always. `changeable`: the policy may say `warn` or `audit` instead. */
  readonly mode: 'enforced' | 'changeable'
}

export interface GreenroomCheck extends GreenroomRule {
  readonly judge: Check
}

/** What Greenroom asks of pods that have a row of the table, the most telling first; the table says what. */
export const greenroomChecks: readonly GreenroomCheck[] = [
  {
    rule: 'service-account',
    title: "Greenroom's own ServiceAccounts",
    standard: 'greenroom',
    fields: '`spec.serviceAccountName`',
    allowed: "any but those of Greenroom's components",
    mode: 'enforced',
    mutated: 'no',
    judge: checkServiceAccount,
  },
  {
    rule: 'operating-system',
    title: 'Operating system',
    standard: 'greenroom',
    fields: '`spec.os.name`',
    allowed: 'linux or unset',
    mode: 'enforced',
    mutated: 'no',
    judge: checkOperatingSystem,
  },
  {
    rule: 'agent-container',
    title: 'Which container is the agent',
    standard: 'greenroom',
    fields: '`spec.containers[*].name`',
    allowed: 'one container, or one named `agent`; pods of row `default` need none',
    mode: 'enforced',
    mutated: 'no',
    judge: checkAgentContainer,
  },
  {
    rule: 'app-label',
    title: 'Label app',
    standard: 'greenroom',
    fields: '`metadata.labels[app]`',
    allowed: "the row's `appLabel`",
    mode: 'changeable',
    mutated: 'where absent',
    judge: checkAppLabel,
  },
  {
    rule: 'security-context',
    title: 'Security context',
    standard: 'greenroom',
    fields:
      '`securityContext` of the pod (`runAsNonRoot`, `runAsUser`, `runAsGroup`, `fsGroup`, `seccompProfile`) and of ' +
      'containers and init containers (`runAsNonRoot`, `runAsUser`, `allowPrivilegeEscalation`, ' +
      '`readOnlyRootFilesystem`, `seccompProfile`)',
    allowed:
      'exactly what the policy says; stricter than restricted, which allows Localhost profiles and any user but 0',
    mode: 'changeable',
    mutated: 'yes',
    judge: checkSecurityContext,
  },
  {
    rule: 'resources',
    title: 'Requests and limits',
    standard: 'greenroom',
    fields: '`resources.{requests,limits}` of containers and init containers, `spec.resources`',
    allowed: "the row's `resources` on the agent container, `sidecar` on others; none on the pod as a whole",
    mode: 'enforced',
    mutated: 'yes',
    judge: checkResources,
  },
  {
    rule: 'probes',
    title: 'Probes',
    standard: 'greenroom',
    fields: '`{livenessProbe,readinessProbe,startupProbe}` of the agent container',
    allowed: "the row's, where it names one",
    mode: 'changeable',
    mutated: 'yes',
    judge: checkProbes,
  },
  {
    rule: 'service-account-token',
    title: 'No ServiceAccount token',
    standard: 'greenroom',
    fields: '`spec.automountServiceAccountToken`, `spec.volumes[*].projected.sources[*].serviceAccountToken`',
    allowed: 'false; unset',
    mode: 'enforced',
    mutated: 'yes',
    judge: checkServiceAccountToken,
  },
  {
    rule: 'secret-references',
    title: 'Secrets',
    standard: 'greenroom',
    fields:
      '`env[*].valueFrom.secretKeyRef`, `envFrom[*].secretRef` of every container; `spec.volumes[*].secret`, ' +
      '`.projected.sources[*].secret`, `.csi.nodePublishSecretRef`',
    allowed: "the Secrets in the row's `secrets` and `allowedSecrets`",
    mode: 'enforced',
    mutated: 'no',
    judge: checkSecretReferences,
  },
  {
    rule: 'injected-env',
    title: 'Environment that Greenroom decides',
    standard: 'greenroom',
    fields: "`env[*]` of the agent container: the `GREENROOM_*` variables and the row's `secrets`",
    allowed: 'there, once or oftener, each as the webhook sets it',
    mode: 'enforced',
    mutated: 'yes',
    judge: checkInjectedEnv,
  },
  {
    rule: 'tmp-volume',
    title: 'Writable place of bounded size',
    standard: 'greenroom',
    fields: '`volumeMounts[*].mountPath` of containers and init containers, the volume `greenroom-tmp`',
    allowed: "a mount at the policy's path; an emptyDir of the policy's size",
    mode: 'changeable',
    mutated: 'where absent',
    judge: checkTmpVolume,
  },
  {
    rule: 'grace-period',
    title: 'Grace period',
    standard: 'greenroom',
    fields: '`spec.terminationGracePeriodSeconds`',
    allowed: "the row's `gracePeriodSeconds`",
    mode: 'changeable',
    mutated: 'yes',
    judge: checkGracePeriod,
  },
]

/** Every rule of Greenroom's own; the first three are judged before or beside the checks above. */
export const greenroomRules: readonly GreenroomRule[] = [
  {
    rule: 'malformed',
    title: 'A pod that can be read',
    standard: 'greenroom',
    fields: 'the whole object',
    allowed: 'a pod of v1',
    mode: 'enforced',
    mutated: 'no',
  },
  {
    rule: 'agent-type',
    title: 'A row of the table',
    standard: 'greenroom',
    fields: '`metadata.labels[agent-type]`',
    allowed: 'a name in `agentTypes` of the policy; unset if there is a row `default`',
    mode: 'enforced',
    mutated: 'no',
  },
  {
    rule: 'label-ownership',
    title: "Greenroom's labels and annotations",
    standard: 'greenroom',
    fields:
      '`metadata.{labels,annotations}` below `greenroom.dev/`, label `session`; on `pods/status` and `pods/binding` too',
    allowed: "unset or unchanged, but for Greenroom's own ServiceAccounts",
    mode: 'enforced',
    mutated: 'no',
  },
  ...greenroomChecks,
]
