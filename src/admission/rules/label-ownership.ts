import { annotation, label, ownedPrefix } from '../../domain/names.ts'
import type { PodClass } from '../policy/pod-class.ts'
import { componentName } from '../policy/policy-component.ts'
import type { MetadataChange } from './admission-context.ts'
import { everyPod, type Finding, type GreenroomRule } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

export const labelOwnership = {
  rule: 'label-ownership',
  title: "Greenroom's labels and annotations",
  fields: [
    `metadata.{labels,annotations}[${ownedPrefix}*]`,
    `metadata.labels[{${label.session},${label.app}}]`,
  ],
  allowed:
    "unset or unchanged, except by Greenroom's own ServiceAccounts; on `pods/status`, `pods/binding` and `bindings` too. " +
    `\`${annotation.explain}\` may be set by everybody, \`${label.component}\` on a component to its own name; \`${label.app}\` ` +
    'to no name of a component and from none, except on its pods',
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'Greenroom tells its pods by these labels: another writer could take a session.',
  code: 'GRN_LABEL_OWNERSHIP',
  fix: 'Leave it as it is; Greenroom sets it itself.',
  guardsGreenroom: true,
  judge(change: OwnershipChange): Finding[] {
    if (change.policy.greenroomServiceAccounts.includes(change.username)) return []
    const { before, metadata: after } = change
    const found: Finding[] = []
    for (const key of changedKeys(before?.labels, after.labels)) {
      const isGuarded = isOwned(key) || key === label.session || isBorrowedName(key, change)
      if (!isGuarded || isOwnName(key, change)) continue
      const isBorrowed = key === label.app && isNameOfComponent(after.labels?.[key], change)
      found.push(isBorrowed ? borrowedName : foreign(`metadata.labels[${key}]`))
    }
    const annotations = changedKeys(before?.annotations, after.annotations).filter(isOwned)
    if (annotations.length === 0) return found
    const isWritten = writtenOver(change)
    for (const key of annotations) if (!isWritten(key)) found.push(foreign(`metadata.annotations[${key}]`))
    return found
  },
} as const satisfies GreenroomRule

/** The class is known of new pods only; subresources carry no spec. */
type OwnershipChange = MetadataChange & { readonly podClass?: PodClass }

/**
 * Annotations that admission writes into a new pod, whatever stands there. A value that differs from today's may come
 * from another replica, or from a moment ago: a pod is shaped by one policy and judged by the next while it is replaced.
 * Where nothing is written, only today's value passes.
 */
function writtenOver(change: OwnershipChange) {
  const { isNew, isRolledOut, podClass, metadata } = change
  const written = isNew && podClass ? writtenAnnotations(podClass, change) : {}
  return (key: string): boolean =>
    key === annotation.explain ||
    (Object.hasOwn(written, key) && (!isRolledOut || metadata.annotations?.[key] === written[key]))
}

/** The name that admission would give a new component anyway: the template of its Deployment may have it. */
function isOwnName(key: string, { isNew, podClass, metadata }: OwnershipChange): boolean {
  if ((key !== label.component && key !== label.app) || !isNew || podClass?.kind !== 'component') return false
  return metadata.labels?.[key] === componentName(podClass.component)
}

const borrowedName: Finding = {
  path: `metadata.labels[${label.app}]`,
  found: "the name of one of Greenroom's components",
  allowed: 'that on its own pods only',
  fix: 'Use another value.',
}

/** A ReplicaSet adopts a pod with the labels of its own and ends one of its own for it. It releases a pod that loses them. */
function isBorrowedName(key: string, change: MetadataChange): boolean {
  const { before, metadata } = change
  if (key !== label.app) return false
  return isNameOfComponent(before?.labels?.[key], change) || isNameOfComponent(metadata.labels?.[key], change)
}

function isNameOfComponent(name: string | undefined, { policy }: MetadataChange): boolean {
  return name !== undefined && policy.components.some((component) => componentName(component) === name)
}

function isOwned(key: string): boolean {
  return key.startsWith(ownedPrefix)
}

type Entries = Readonly<Record<string, string>> | undefined

function changedKeys(before: Entries, after: Entries): readonly string[] {
  // Nearly all pods that are judged are new.
  if (!before) return after ? Object.keys(after).filter((key) => after[key] !== undefined) : []
  const keys = new Set([...Object.keys(before), ...Object.keys(after ?? {})])
  return [...keys].filter((key) => before[key] !== after?.[key])
}

function foreign(path: string): Finding {
  return {
    path,
    found: 'set or changed by somebody else',
    allowed: "Greenroom's own ServiceAccounts only",
  }
}
