import { isInjectedToken } from '../mutate/mutate-volumes.ts'
import type { Container, EnvVar, Pod, PodProbe, Volume } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import type { Component, ComponentMount } from '../policy/policy-component.ts'
import { samePath } from './expected-fields.ts'
import type { Check } from './judged-pod.ts'

/**
 * A pod under Greenroom's own ServiceAccount is exactly what the component's row describes. The account's rights, the
 * key that signs assignments and the database are within reach of its code: whoever could add a command, an environment
 * variable (NODE_OPTIONS), a volume over the code or another container could use them.
 * Fields: every one of the pod and of its only container. Allowed: the row's `commands`, `args`, `env` and `mounts`;
 * fields that no code comes in by; the token that Kubernetes mounts. A field that this version does not know is refused.
 */
export const checkComponentShape: Check = ({ pod, standing }) => {
  if (standing.kind !== 'component') return []
  const { component } = standing
  const [container, ...others] = pod.spec.containers
  const at = 'spec.containers[0]'
  return [
    ...unknownFields(pod.spec, podFields, 'spec'),
    ...(others.length > 0 ? [refused('spec.containers', `${others.length + 1} containers`, 'one')] : []),
    ...(container
      ? [
          ...unknownFields(container, containerFields, at),
          ...words(container, component, at),
          ...handlers(container, at),
          ...environment(container, component, at),
          ...mounts(container, pod, component),
        ]
      : []),
  ]
}

/** Fields of a pod's spec through which nothing of its author's gets into the process. */
const podFields: ReadonlySet<string> = new Set([
  'activeDeadlineSeconds',
  'affinity',
  'automountServiceAccountToken',
  'containers',
  'dnsPolicy',
  'enableServiceLinks',
  'hostname',
  'imagePullSecrets',
  'nodeName',
  'nodeSelector',
  'os',
  'overhead',
  'preemptionPolicy',
  'priority',
  'priorityClassName',
  'readinessGates',
  'resources',
  'restartPolicy',
  'runtimeClassName',
  'schedulerName',
  'schedulingGates',
  'securityContext',
  'serviceAccount',
  'serviceAccountName',
  'subdomain',
  'terminationGracePeriodSeconds',
  'tolerations',
  'topologySpreadConstraints',
  'volumes',
])

/** The same of a container, or judged one by one below. */
const containerFields: ReadonlySet<string> = new Set([
  'args',
  'command',
  'env',
  'image',
  'imagePullPolicy',
  'lifecycle',
  'livenessProbe',
  'name',
  'ports',
  'readinessProbe',
  'resources',
  'securityContext',
  'startupProbe',
  'terminationMessagePath',
  'terminationMessagePolicy',
  'volumeMounts',
])

function refused(path: string, found: unknown, allowed: string): Violation {
  const fix = "Greenroom's own account serves its own pods only; a new shape goes into the row in components."
  return violationOf({ rule: 'component-shape', allowed, fix }, path, found)
}

function unknownFields(value: object, known: ReadonlySet<string>, path: string): Violation[] {
  return Object.entries(value)
    .filter(([field, content]) => !known.has(field) && !isNothing(content))
    .map(([field]) => refused(`${path}.${field}`, 'set', 'unset'))
}

function isNothing(content: unknown): boolean {
  return (
    content === undefined ||
    content === null ||
    content === false ||
    (Array.isArray(content) && content.length === 0)
  )
}

function words(
  { command, args, terminationMessagePath }: Container,
  row: Component,
  at: string,
): Violation[] {
  const fits = (given: readonly string[] | undefined, lists: readonly (readonly string[])[]): boolean =>
    given === undefined || given.length === 0 || lists.some((list) => sameValue(list, given))
  const said = (lists: readonly (readonly string[])[]): string =>
    lists.length > 0 ? lists.map((list) => JSON.stringify(list)).join(', ') : 'unset'
  const messages = terminationMessagePath ?? defaultMessagePath
  return [
    ...(fits(command, row.commands) ? [] : [refused(`${at}.command`, command, said(row.commands))]),
    ...(fits(args, row.args) ? [] : [refused(`${at}.args`, args, said(row.args))]),
    // The kubelet mounts a file there, wherever it is.
    ...(messages === defaultMessagePath
      ? []
      : [refused(`${at}.terminationMessagePath`, messages, defaultMessagePath)]),
  ]
}

const defaultMessagePath = '/dev/termination-log'

/** What the kubelet does for the pod must not run a program in it. */
function handlers(container: Container, at: string): Violation[] {
  const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
  const isExec = (probe: PodProbe | undefined): boolean => probe !== undefined && 'exec' in probe
  const { lifecycle } = container
  const onlySleeps = [lifecycle?.postStart, lifecycle?.preStop].every((handler) =>
    Object.keys(handler ?? {}).every((kind) => kind === 'sleep'),
  )
  return [
    ...probes
      .filter((name) => isExec(container[name]))
      .map((name) => refused(`${at}.${name}.exec`, 'set', 'unset')),
    ...(onlySleeps ? [] : [refused(`${at}.lifecycle`, 'something that runs', 'sleep, or unset')]),
  ]
}

function environment({ env = [] }: Container, component: Component, at: string): Violation[] {
  return env.flatMap((variable, index) => {
    const path = `${at}.env[${index}]`
    const wanted = component.env.find((entry) => nameOf(entry) === variable.name)
    if (!wanted) {
      return [refused(`${path}.name`, variable.name, component.env.map(nameOf).join(', ') || 'none')]
    }
    return isFrom(variable, wanted) ? [] : [refused(path, `another ${variable.name}`, sourceOf(wanted))]
  })
}

type WantedEnv = Component['env'][number]

function nameOf(entry: WantedEnv): string {
  return typeof entry === 'string' ? entry : entry.name
}

function isFrom({ value, valueFrom }: EnvVar, wanted: WantedEnv): boolean {
  const secret = valueFrom?.secretKeyRef
  if (typeof wanted !== 'string' && wanted.secret !== undefined) return secret?.name === wanted.secret
  if (typeof wanted !== 'string' && wanted.value !== undefined) return value === wanted.value && !valueFrom
  return secret === undefined
}

function sourceOf(wanted: WantedEnv): string {
  if (typeof wanted !== 'string' && wanted.secret !== undefined) return `a key of Secret ${wanted.secret}`
  if (typeof wanted !== 'string' && wanted.value !== undefined) return "the row's value"
  return 'anything but a Secret'
}

/** Where Kubernetes itself mounts the account's token. */
const tokenPath = '/var/run/secrets/kubernetes.io/serviceaccount'

function mounts({ volumeMounts = [] }: Container, pod: Pod, component: Component): Violation[] {
  return volumeMounts.flatMap((mount, index) => {
    const path = `spec.containers[0].volumeMounts[${index}]`
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name)
    const wanted = component.mounts.find((candidate) => samePath(candidate.path, mount.mountPath))
    const isWhole = (mount.subPath ?? '') === '' && (mount.subPathExpr ?? '') === ''
    const isToken = samePath(mount.mountPath, tokenPath) && volume !== undefined && isPlainToken(volume)
    const isWanted = wanted !== undefined && volume !== undefined && isOfSource(volume, wanted)
    if (isWhole && (isToken || isWanted)) return []
    const allowed = component.mounts.map(describeMount).join('; ') || 'no mount'
    return [refused(path, mount.mountPath, allowed)]
  })
}

function isOfSource(volume: Volume, { secret, configMap, emptyDir }: ComponentMount): boolean {
  if (secret !== undefined) return volume.secret?.secretName === secret
  if (configMap !== undefined) return volume.configMap?.name === configMap
  return emptyDir === true && volume.emptyDir !== undefined
}

function describeMount({ path, secret, configMap }: ComponentMount): string {
  if (secret !== undefined) return `${path} from Secret ${secret}`
  return configMap === undefined ? `${path} from an emptyDir` : `${path} from ConfigMap ${configMap}`
}

/** The token volume as the ServiceAccount plugin makes it: another CA there would be another API server. */
function isPlainToken(volume: Volume): boolean {
  return (
    isInjectedToken(volume) &&
    (volume.projected?.sources ?? []).every((source) =>
      Object.keys(source).every(
        (kind) =>
          kind === 'serviceAccountToken' ||
          kind === 'downwardAPI' ||
          (kind === 'configMap' && source.configMap?.name === 'kube-root-ca.crt'),
      ),
    )
  )
}
