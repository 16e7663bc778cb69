import { annotation, label, ownedPrefix } from '../../domain/names.ts'
import type { Metadata } from '../pod/pod.ts'
import type { Violation } from '../pod/violation.ts'

/** What is compared: the object before (undefined at creation) and after. */
export interface MetadataChange {
  readonly before: Metadata | undefined
  readonly after: Metadata
  /**
   * Annotations that the mutator writes into every new pod, whatever stood there. Another value than today's is that of
   * another replica, or of a moment ago: while a policy is replaced, pods are shaped by one and looked at under the next.
   */
  readonly written: ReadonlySet<string>
}

/**
 * Labels and annotations below `greenroom.dev/` and the label `session` belong to Greenroom's own ServiceAccounts.
 * Fields: `metadata.labels`, `metadata.annotations`, on the pod and through its subresources.
 * Allowed: unset or, on an update, unchanged; and at creation what the mutator writes over. `greenroom.dev/explain` decides
 * nothing and is everybody's.
 */
export function checkLabelOwnership({ before, after, written }: MetadataChange): Violation[] {
  return [
    ...changedKeys(before?.labels, after.labels)
      .filter((key) => isOwned(key) || key === label.session)
      .map((key) => foreign(`metadata.labels[${key}]`)),
    ...changedKeys(before?.annotations, after.annotations)
      .filter((key) => isOwned(key) && key !== annotation.explain && !written.has(key))
      .map((key) => foreign(`metadata.annotations[${key}]`)),
  ]
}

function isOwned(key: string): boolean {
  return key.startsWith(ownedPrefix)
}

type Entries = Readonly<Record<string, string>> | undefined

function changedKeys(before: Entries, after: Entries): string[] {
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...keys].filter((key) => before?.[key] !== after?.[key])
}

function foreign(path: string): Violation {
  return {
    rule: 'label-ownership',
    code: 'GRN_LABEL_OWNERSHIP',
    path,
    found: 'set or changed by somebody else',
    allowed: "Greenroom's own ServiceAccounts only",
    fix: 'Leave it as it is; Greenroom sets it itself.',
  }
}
