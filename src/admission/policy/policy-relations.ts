import { parseQuantity } from '../../domain/quantity.ts'
import { isPodSecurityVersion, newestMinor } from '../standards/pod-security-standards.ts'
import { componentProblems } from './component-relations.ts'
import type { WritablePath } from './container-settings.ts'
import { duplicates } from './duplicates.ts'
import { volumeNameOf } from './effective-row.ts'
import { imageProblems } from './image-patterns.ts'
import type { PolicyDocument } from './policy-document.ts'
import type { Defaults, Row } from './policy-row.ts'
import { quantityProblems } from './quantity-problems.ts'
import { probeProblems, resourceProblems } from './resource-relations.ts'
import type { MatchExpression, PolicyToleration } from './scheduling-settings.ts'
import { secretProblems } from './secret-relations.ts'
import { isSessionCredential } from './session-credentials.ts'
import { thinProblems } from './thin-requests.ts'

/**
 * What the schema of `policy.yaml` cannot say: relations between its fields. One sentence a problem, with its path.
 * `settableRules` are the names of the rules whose mode may be set.
 */
export function policyRelations(policy: PolicyDocument, settableRules: readonly string[]): string[] {
  const { defaults, agentTypes } = policy
  return [
    ...rulesProblems('/defaults', defaults, policy),
    ...Object.entries(agentTypes).flatMap(([name, row]) => rowProblems(name, row, policy)),
    ...secretProblems(policy),
    ...componentProblems(policy),
    ...ownerProblems(policy),
    ...modeProblems(policy, settableRules),
    ...podSecurityProblems(defaults.podSecurity.version),
  ]
}

/** Groups that the API server gives to everybody, or to every pod that has a token. */
const everybody = ['system:authenticated', 'system:unauthenticated', 'system:serviceaccounts']

function ownerProblems({ policyOwners }: PolicyDocument): string[] {
  return everybody
    .filter((group) => policyOwners.groups.includes(group))
    .map((group) => `/policyOwners/groups: ${group} is nearly everybody; name who decides on the policy`)
}

function podSecurityProblems(version: string): string[] {
  if (isPodSecurityVersion(version)) return []
  return [`/defaults/podSecurity/version: ${version} is not known; use latest or v1.0 to v1.${newestMinor}`]
}

type Rules = Partial<Defaults> | Row

/** Problems of settings that a row and the defaults may both have. */
function rulesProblems(at: string, rules: Rules, policy: PolicyDocument): string[] {
  const { liveness, readiness, startup } = rules.probes ?? {}
  return [
    ...(rules.resources ? resourceProblems(`${at}/resources`, rules.resources) : []),
    ...(rules.sidecar ? resourceProblems(`${at}/sidecar`, rules.sidecar) : []),
    ...probeProblems(`${at}/probes/liveness`, liveness),
    ...probeProblems(`${at}/probes/readiness`, readiness),
    ...probeProblems(`${at}/probes/startup`, startup),
    ...envProblems(at, rules),
    ...imageProblems(`${at}/images/allowed`, rules.images?.allowed ?? []),
    ...pathProblems(`${at}/writablePaths`, rules.writablePaths ?? []),
    ...quantityProblems(`${at}/emptyDirSizeLimit`, rules.emptyDirSizeLimit),
    ...quantityProblems(`${at}/ephemeralClaims/maxSize`, rules.ephemeralClaims?.maxSize),
    ...(rules.nodeAffinity ?? []).flatMap((expression, index) =>
      expressionProblems(`${at}/nodeAffinity/${index}`, expression),
    ),
    ...tolerationProblems(`${at}/tolerations`, rules.tolerations),
    ...tolerationProblems(`${at}/allowedTolerations`, rules.allowedTolerations),
    ...spreadProblems(`${at}/topologySpreadConstraints`, rules),
    ...accountProblems(`${at}/serviceAccountName`, rules.serviceAccountName, policy),
  ]
}

/** Problems of a row together with the defaults. */
function rowProblems(name: string, row: Row, policy: PolicyDocument): string[] {
  const at = `/agentTypes/${name}`
  const { defaults } = policy
  const paths = row.writablePaths ?? defaults.writablePaths
  const kinds = row.volumeKinds ?? defaults.volumeKinds
  const automount = row.automountServiceAccountToken ?? defaults.automountServiceAccountToken
  const own = rulesProblems(at, row, policy)
  const credentials = [...(row.secrets ?? []).map(({ env }) => env), ...(row.env ?? []).map((e) => e.name)]
  return [
    ...own,
    ...(row.resources || defaults.resources
      ? []
      : [`${at}/resources: is missing; give it here or in /defaults/resources`]),
    ...(paths.length > 0 && !kinds.includes('emptyDir')
      ? [`${at}/volumeKinds: must hold emptyDir, for writablePaths are such volumes`]
      : []),
    ...(automount && !kinds.includes('projected')
      ? [`${at}/volumeKinds: must hold projected, for automountServiceAccountToken mounts such a volume`]
      : []),
    ...(own.length === 0 ? roomProblems(at, row, policy) : []),
    ...(own.length === 0
      ? thinProblems(`${at}/thin`, row.thin ?? defaults.thin, row.resources ?? defaults.resources)
      : []),
    ...credentials
      .filter(isSessionCredential)
      .map(
        (env) =>
          `${at}: ${env} belongs to one session and comes with its assignment; no pod may hold it before`,
      ),
  ]
}

/** Writable paths that are larger than the limits of the agent container. */
function roomProblems(at: string, row: Row, { defaults }: PolicyDocument): string[] {
  const limits = (row.resources ?? defaults.resources)?.limits
  return (row.writablePaths ?? defaults.writablePaths).flatMap(({ path, sizeLimit, medium }) => {
    const kind = medium === 'Memory' ? 'memory' : 'ephemeral-storage'
    const limit = limits?.[kind]
    if (limit === undefined || (parseQuantity(sizeLimit) ?? 0n) <= (parseQuantity(limit) ?? 0n)) return []
    return [
      `${at}/writablePaths: ${sizeLimit} at ${path} is more than resources/limits/${kind} (${limit}) allows`,
    ]
  })
}

function modeProblems({ modes }: PolicyDocument, settable: readonly string[]): string[] {
  return Object.keys(modes)
    .filter((rule) => !settable.includes(rule))
    .map(
      (rule) =>
        `/modes/${rule}: is not a rule whose mode may be set; these are ${settable.join(', ')}, every other is always enforced`,
    )
}

function envProblems(at: string, { env = [], secrets = [] }: Rules): string[] {
  const names = [...env.map((entry) => entry.name), ...secrets.map((entry) => entry.env)]
  return [
    ...duplicates(names).map((name) => `${at}: environment variable ${name} is given twice`),
    ...names
      .filter((name) => name.startsWith('GREENROOM_'))
      .map((name) => `${at}: ${name} is set by Greenroom itself`),
  ]
}

function pathProblems(at: string, paths: readonly WritablePath[]): string[] {
  const names = paths.map(({ path }) => volumeNameOf(path))
  return [
    ...paths.flatMap(({ sizeLimit }, index) => quantityProblems(`${at}/${index}/sizeLimit`, sizeLimit)),
    ...duplicates(names).map((name) => `${at}: two paths would have the volume ${name}`),
  ]
}

function expressionProblems(at: string, { operator, values }: MatchExpression): string[] {
  const count = values?.length ?? 0
  if (operator === 'In' || operator === 'NotIn') {
    return count > 0 ? [] : [`${at}/values: is missing; operator ${operator} needs at least one`]
  }
  if (operator === 'Exists' || operator === 'DoesNotExist') {
    return values === undefined ? [] : [`${at}/values: must be absent with operator ${operator}`]
  }
  const isNumber = count === 1 && /^-?\d+$/.test(values?.[0] ?? '')
  return isNumber ? [] : [`${at}/values: must be one whole number with operator ${operator}`]
}

function tolerationProblems(at: string, tolerations: readonly PolicyToleration[] = []): string[] {
  return tolerations.flatMap(({ key, operator, value, effect, tolerationSeconds }, index) => [
    ...(operator === 'Exists' && value !== undefined
      ? [`${at}/${index}/value: must be absent with operator Exists`]
      : []),
    ...(operator === 'Equal' && key === undefined
      ? [`${at}/${index}/key: is missing; without a key the operator must be Exists`]
      : []),
    ...(tolerationSeconds !== undefined && effect !== 'NoExecute'
      ? [`${at}/${index}/tolerationSeconds: needs effect NoExecute`]
      : []),
  ])
}

function spreadProblems(at: string, { topologySpreadConstraints = [] }: Rules): string[] {
  const keys = topologySpreadConstraints.map(
    ({ topologyKey, whenUnsatisfiable }) => `${topologyKey} ${whenUnsatisfiable}`,
  )
  return duplicates(keys).map((key) => `${at}: ${key} is listed twice`)
}

function accountProblems(
  at: string,
  name: string | undefined,
  { components, greenroomServiceAccounts }: PolicyDocument,
): string[] {
  const reserved =
    name !== undefined &&
    (components.some(({ serviceAccount }) => serviceAccount === name) ||
      greenroomServiceAccounts.some((user) => user.endsWith(`:${name}`)))
  return reserved ? [`${at}: ${name} is Greenroom's own and may be used by nothing else`] : []
}
