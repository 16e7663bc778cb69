import { label, ownedPrefix } from '../../domain/names.ts'
import type { Metadata } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { AdmissionContext, MetadataChange } from './admission-context.ts'
import { everyPod, type Finding, type GreenroomRule } from './greenroom-rule.ts'

/**
 * The labels greenroom.dev/pool and greenroom.dev/component vouch for what runs in a pod. So what runs in it stays what it
 * was when it got the label. The status is the kubelet's, and deletion stays possible.
 */
export const ownPodChanges: GreenroomRule = {
  rule: 'own-pod-changes',
  title: "Changes of Greenroom's own pods",
  fields: ['metadata.labels[*]', 'metadata.{ownerReferences,finalizers}', 'spec'],
  allowed:
    `on pods with \`${label.pool}\`, except by Greenroom's own ServiceAccounts: no other spec, \`${label.agentType}\` or owner ` +
    'and no new finalizer; debug containers if the policy says `debugPools: allow`. On components the same, and no label changed or ' +
    "taken away, except by Kubernetes' own controllers of pods; other resources are allowed",
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'The label stays while its pod becomes another: a changed image would be handed a session with its secrets.',
  code: 'GRN_POD_OWNERSHIP',
  fix:
    'Edit agent-pools or agent-policy: Greenroom replaces its pods by new ones. To look into one, copy it: ' +
    'kubectl debug POD --copy-to=NAME --profile=restricted.',
  guardsGreenroom: true,
  judge(context) {
    if (context.isNew || isGreenrooms(context)) return []
    return [...changedMetadata(context), ...changedSpec(context)]
  },
}

/** Of requests that change nothing but metadata. A Binding has no pod beside it, so it may set nothing of this at all. */
export function changedMetadata(change: MetadataChange): Finding[] {
  const { before, metadata: after, username } = change
  if (isGreenrooms(change)) return []
  const isOfPool = before?.labels?.[label.pool] !== undefined
  const isComponent = before?.labels?.[label.component] !== undefined
  if (before && !isOfPool && !isComponent) return []
  if (!isOfPool && isComponent && kubernetesControllers.has(username)) return []
  const found = [
    ...changedLabels(before, after, isComponent),
    // Kubernetes deletes a pod whose owner is gone.
    ...(sameValue(before?.ownerReferences ?? [], after.ownerReferences ?? [])
      ? []
      : [changed('metadata.ownerReferences')]),
    // With a finalizer of somebody else the pod would never go.
    ...(addsFinalizer(before, after) ? [changed('metadata.finalizers')] : []),
  ]
  return isComponent ? found.map((one) => ({ ...one, fix: componentFix })) : found
}

/**
 * They adopt and release pods by their labels, track the pods of a Job by a finalizer, and take away owners that are gone. Only
 * components have such owners: a pool's pod that one of them adopts would be somebody else's to delete.
 */
const kubernetesControllers: ReadonlySet<string> = new Set([
  // All of them in a cluster where they share the account of their process.
  'system:kube-controller-manager',
  ...[
    'replicaset-controller',
    'statefulset-controller',
    'daemon-set-controller',
    'job-controller',
    'generic-garbage-collector',
  ].map((name) => `system:serviceaccount:kube-system:${name}`),
])

/** A ReplicaSet releases a pod that loses a label of its selector, and starts another one; the Service keeps both. */
function changedLabels(before: Metadata | undefined, after: Metadata, isComponent: boolean): Finding[] {
  const [old, now] = [before?.labels ?? {}, after.labels ?? {}]
  const keys = new Set([
    label.agentType,
    ...(before ? [] : [label.app, 'pod-template-hash']),
    // Rule label-ownership judges Greenroom's own.
    ...(isComponent ? Object.keys(old).filter((key) => !key.startsWith(ownedPrefix)) : []),
  ])
  return [...keys].filter((key) => old[key] !== now[key]).map((key) => changed(`metadata.labels[${key}]`))
}

function isGreenrooms({ policy, username }: MetadataChange): boolean {
  return policy.greenroomServiceAccounts.includes(username)
}

function addsFinalizer(before: Metadata | undefined, after: Metadata): boolean {
  const known = new Set(before?.finalizers)
  return (after.finalizers ?? []).some((name) => !known.has(name))
}

function changedSpec({ pod, oldPod, before, metadata, policy }: AdmissionContext): Finding[] {
  const isOf = (key: string): boolean =>
    before?.labels?.[key] !== undefined || metadata.labels?.[key] !== undefined
  const paths = (): string[] =>
    differences(oldPod?.spec, pod.spec, 'spec', deepest).filter((path) => !gates.test(path))
  if (isOf(label.pool)) {
    const isFree = (path: string): boolean => policy.debugPools === 'allow' && debugContainers.test(path)
    return paths()
      .filter((path) => !isFree(path))
      .map(changed)
  }
  if (!isOf(label.component)) return []
  return paths()
    .filter((path) => !resources.test(path))
    .map((path) => ({ ...changed(path), fix: componentFix }))
}

/** A queue such as Kueue removes the gates that it set itself. They hold a pod back and change nothing in it. */
const gates = /^spec\.schedulingGates\b/
const debugContainers = /^spec\.ephemeralContainers\b/
/** An autoscaler may resize a component in place. */
const resources = /^spec\.(containers\[\d+\]\.)?resources\b/
const componentFix = 'Change its Deployment or Job: Kubernetes replaces the pod by a new one.'

/** `spec.containers[0].image`: three steps below the spec. */
const deepest = 3

/** Paths at which the two differ. */
function differences(before: unknown, after: unknown, path: string, depth: number): string[] {
  if (sameValue(before, after)) return []
  if (depth === 0 || !isParent(before) || !isParent(after)) return [path]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) =>
    differences(
      before[key],
      after[key],
      Array.isArray(after) ? `${path}[${key}]` : `${path}.${key}`,
      depth - 1,
    ),
  )
}

function isParent(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function changed(path: string): Finding {
  return { path, found: 'changed by somebody else', allowed: 'as Greenroom made it' }
}
