import type { ErrorCode } from '../../errors.ts'
import { shown, type Violation } from '../pod/violation.ts'
import type { PodClass } from '../policy/pod-class.ts'
import type { CheckDescription } from '../standards/check-description.ts'
import type { AdmissionContext } from './admission-context.ts'
import type { Draft } from './draft.ts'

/** The kinds of pods that rules tell apart: `shaped` pods become what their row says, `unshaped` ones only have a row. */
export type PodKind = 'component' | 'unknown-type' | 'unshaped' | 'shaped'

/**
 * A rule that Greenroom has besides the Pod Security Standards: one object, in the file of its name. Documents, settable
 * modes, violations and the reasons of changes are derived from it.
 */
export interface GreenroomRule extends CheckDescription {
  /** What the fields may hold, in words; the exact values are the policy's. */
  readonly allowed: string
  readonly appliesTo: readonly PodKind[]
  /** Whether the policy may set it to `warn` or `audit`. */
  readonly mode: 'always' | 'settable'
  /** Why there is such a rule, and why it changes pods: one sentence. */
  readonly why: string
  /** Another reason for changes at some of the fields. */
  readonly reasons?: Readonly<Record<string, string>>
  /** Of its violations; absent: `GRN_POLICY_VIOLATION`. */
  readonly code?: ErrorCode
  /** The way out that its violations name, unless a finding has its own. */
  readonly fix: string
  /** It protects Greenroom itself, so it denies even in a namespace where the policy is only tried out. */
  readonly guardsGreenroom?: true
  /** What is wrong with the pod; empty if it passes. Absent: the rule only writes, or the decoder judges it. */
  readonly judge?: (context: AdmissionContext) => readonly Finding[]
  /** Makes a new pod right; called only while the rule is enforced. */
  readonly mutate?: Mutate
  /** What it changes while the rule is not enforced, because Pod Security asks for it all the same. */
  readonly mutateAnyway?: Mutate
  /** Makes the new debug containers of a running pod right, whatever the mode. */
  readonly mutateDebug?: Mutate
}

export type Mutate = (draft: Draft, context: AdmissionContext) => void

/** What a rule finds at one field; the rule's name and code are added when it becomes a violation. */
export interface Finding {
  /** Field path as Kubernetes writes it. */
  readonly path: string
  /** As it is shown; never the value of an env variable or a secret. */
  readonly found: string
  readonly allowed: string
  readonly fix?: string
}

export function finding(path: string, found: unknown, allowed: string): Finding {
  return { path, found: shown(found), allowed }
}

export function violationBy({ rule, code, fix }: GreenroomRule, found: Finding): Violation {
  return { rule, code: code ?? 'GRN_POLICY_VIOLATION', fix, ...found }
}

export function kindOf(podClass: PodClass): PodKind {
  if (podClass.kind === 'component' || podClass.kind === 'unknown-type') return podClass.kind
  return podClass.isShaped ? 'shaped' : 'unshaped'
}

export const everyPod = ['component', 'unknown-type', 'unshaped', 'shaped'] as const
export const everyPodButComponents = ['unknown-type', 'unshaped', 'shaped'] as const
export const podsOfRows = ['unshaped', 'shaped'] as const
export const shapedPods = ['shaped'] as const
