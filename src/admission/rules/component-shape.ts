import type { Container, PodProbe } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { Component } from '../policy/policy-component.ts'
import { placementFindings } from './component-placement.ts'
import { environmentFindings, mountFindings, volumeFindings } from './component-sources.ts'
import { extraFields } from './extra-fields.ts'
import { type Finding, finding, type GreenroomRule } from './greenroom-rule.ts'

/** A field that this version does not know is refused. */
export const componentShape: GreenroomRule = {
  rule: 'component-shape',
  title: "The shape of Greenroom's own pods",
  fields: ['spec'],
  allowed:
    "only the command, args, environment and mounts that the component's row lists, each Secret with its key and without remaps, and every variable with a value or Secret there that is not `optional`; fields that no code comes in by; the token that Kubernetes mounts; no volume without a mount; no node, and `system-*` classes and tolerations only from `defaults`",
  appliesTo: ['component'],
  mode: 'always',
  mutated: 'no',
  why:
    'Its account reaches the signing key and the database: a command, a variable such as NODE_OPTIONS or another ' +
    'container would use them.',
  fix: "Greenroom's own account serves its own pods only; a new shape goes into the row in components.",
  guardsGreenroom: true,
  judge(context) {
    const { pod, podClass } = context
    if (podClass.kind !== 'component') return []
    const { component } = podClass
    const [container, ...others] = pod.spec.containers
    const at = 'spec.containers[0]'
    return [
      ...otherFields(pod.spec, podFields, 'spec'),
      ...(others.length > 0 ? [finding('spec.containers', `${others.length + 1} containers`, 'one')] : []),
      ...(container
        ? [
            ...otherFields(container, containerFields, at),
            ...words(container, component, at),
            ...handlers(container, at),
            ...environmentFindings(container, component, at),
            ...mountFindings(container, pod, component),
            ...volumeFindings(container, pod),
          ]
        : []),
      ...placementFindings(context),
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

function otherFields(value: object, known: ReadonlySet<string>, path: string): Finding[] {
  return extraFields(value, known).map((field) => finding(`${path}.${field}`, 'set', 'unset'))
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
