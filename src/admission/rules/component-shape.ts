import type { Container, EnvVar, Pod, PodProbe, Volume } from '../pod/pod.ts'
import { samePath } from '../pod/same-path.ts'
import { sameValue } from '../pod/same-value.ts'
import { isInjectedToken } from '../pod/token-volume.ts'
import type { Component, ComponentMount } from '../policy/policy-component.ts'
import { type Finding, finding, type GreenroomRule } from './greenroom-rule.ts'

/** A field that this version does not know is refused. */
export const componentShape: GreenroomRule = {
  rule: 'component-shape',
  title: "The shape of Greenroom's own pods",
  fields: ['spec'],
  allowed:
    "only the command, args, environment and mounts that the component's row lists, fields that no code comes in by, and the token that Kubernetes mounts",
  appliesTo: ['component'],
  mode: 'always',
  mutated: 'no',
  why:
    'Its account reaches the signing key and the database: a command, a variable such as NODE_OPTIONS or another ' +
    'container would use them.',
  fix: "Greenroom's own account serves its own pods only; a new shape goes into the row in components.",
  guardsGreenroom: true,
  judge({ pod, podClass }) {
    if (podClass.kind !== 'component') return []
    const { component } = podClass
    const [container, ...others] = pod.spec.containers
    const at = 'spec.containers[0]'
    return [
      ...unknownFields(pod.spec, podFields, 'spec'),
      ...(others.length > 0 ? [finding('spec.containers', `${others.length + 1} containers`, 'one')] : []),
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
  },
}

/** Fields of a pod's spec through which the author gets nothing into the process. */
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

function unknownFields(value: object, known: ReadonlySet<string>, path: string): Finding[] {
  return Object.entries(value)
    .filter(([field, content]) => !known.has(field) && !isNothing(content))
    .map(([field]) => finding(`${path}.${field}`, 'set', 'unset'))
}

function isNothing(content: unknown): boolean {
  return (
    content === undefined ||
    content === null ||
    content === false ||
    (Array.isArray(content) && content.length === 0)
  )
}

function words({ command, args, terminationMessagePath }: Container, row: Component, at: string): Finding[] {
  const fits = (given: readonly string[] | undefined, lists: readonly (readonly string[])[]): boolean =>
    given === undefined || given.length === 0 || lists.some((list) => sameValue(list, given))
  const said = (lists: readonly (readonly string[])[]): string =>
    lists.length > 0 ? lists.map((list) => JSON.stringify(list)).join(', ') : 'unset'
  const messages = terminationMessagePath ?? defaultMessagePath
  return [
    ...(fits(command, row.commands) ? [] : [finding(`${at}.command`, command, said(row.commands))]),
    ...(fits(args, row.args) ? [] : [finding(`${at}.args`, args, said(row.args))]),
    // The kubelet mounts a file at this path, even over the code.
    ...(messages === defaultMessagePath
      ? []
      : [finding(`${at}.terminationMessagePath`, messages, defaultMessagePath)]),
  ]
}

const defaultMessagePath = '/dev/termination-log'

/** Probes and lifecycle handlers must not run a program in the pod. */
function handlers(container: Container, at: string): Finding[] {
  const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
  const isExec = (probe: PodProbe | undefined): boolean => probe !== undefined && 'exec' in probe
  const { lifecycle } = container
  const onlySleeps = [lifecycle?.postStart, lifecycle?.preStop].every((handler) =>
    Object.keys(handler ?? {}).every((kind) => kind === 'sleep'),
  )
  return [
    ...probes
      .filter((name) => isExec(container[name]))
      .map((name) => finding(`${at}.${name}.exec`, 'set', 'unset')),
    ...(onlySleeps ? [] : [finding(`${at}.lifecycle`, 'something that runs', 'sleep, or unset')]),
  ]
}

function environment({ env = [] }: Container, component: Component, at: string): Finding[] {
  return env.flatMap((variable, index) => {
    const path = `${at}.env[${index}]`
    const wanted = component.env.find((entry) => nameOf(entry) === variable.name)
    if (!wanted) {
      return [finding(`${path}.name`, variable.name, component.env.map(nameOf).join(', ') || 'none')]
    }
    return isFrom(variable, wanted) ? [] : [finding(path, `another ${variable.name}`, sourceOf(wanted))]
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

function mounts({ volumeMounts = [] }: Container, pod: Pod, component: Component): Finding[] {
  return volumeMounts.flatMap((mount, index) => {
    const path = `spec.containers[0].volumeMounts[${index}]`
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name)
    const wanted = component.mounts.find((candidate) => samePath(candidate.path, mount.mountPath))
    const isWhole = (mount.subPath ?? '') === '' && (mount.subPathExpr ?? '') === ''
    const isToken = samePath(mount.mountPath, tokenPath) && volume !== undefined && isPlainToken(volume)
    const isWanted = wanted !== undefined && volume !== undefined && isOfSource(volume, wanted)
    if (isWhole && (isToken || isWanted)) return []
    const allowed = component.mounts.map(describeMount).join('; ') || 'no mount'
    return [finding(path, mount.mountPath, allowed)]
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

/** The token volume as the ServiceAccount plugin makes it: with another CA the pod would trust another API server. */
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
