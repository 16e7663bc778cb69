import type { LeaseHolder } from '../../src/domain/lease-holder.ts'
import type { SessionStatus } from '../../src/domain/session.ts'
import type { ModelSession, Opener } from './claim-model.ts'

/** What PostgreSQL is asked, and what it answers. */

export const retireReason = 'surplus'
export const attemptReason = 'refused'

const openerIds = {
  x: '0198c0de-0000-4000-8000-00000000000a',
  y: '0198c0de-0000-4000-8000-00000000000b',
} as const satisfies Record<Opener, string>

export const openerId = (opener: Opener | undefined) => opener && openerIds[opener]

export function openerOf(id: string | null): Opener | undefined {
  return id === openerIds.x ? 'x' : id === openerIds.y ? 'y' : undefined
}

/** One shape for several operations, each a member of its own. */
export type Named<Name extends string, Fields = object> = Name extends string
  ? { readonly op: Name } & Readonly<Fields>
  : never

/** What a caller remembers of the row: its epoch and its pod. */
interface Memory {
  readonly from: number
  readonly oldPod: string | undefined
  /** The open that it is itself, or believes to be. */
  readonly as?: Opener | undefined
}

interface By {
  /** The open that writes its name into the row. */
  readonly opener?: Opener | undefined
}

export type StoreOp =
  | Named<'open', { s: string; pod: string; epoch: number; lease: LeaseHolder } & By>
  | Named<'next', { s: string; pod: string; epoch: number } & Memory & By>
  | Named<'reopen', { s: string; pod: string; epoch: number; lease: LeaseHolder } & Memory & By>
  | Named<'cold', { s: string; epoch: number; by: string; most: number; lease: LeaseHolder }>
  | Named<'adopt', { by: string; s: string | undefined }>
  | Named<'release', { by: string }>
  | Named<'activate', { s: string; epoch: number }>
  | Named<'fail', { s: string; epoch: number } & Pick<Memory, 'as'>>
  /** Fails an open of which the pod was never told. */
  | Named<'undo', { s: string; epoch: number; pod: string | undefined } & Pick<Memory, 'as'>>
  | Named<'renew', { s: string; epoch: number; byAgent: boolean }>
  | Named<'end', { s: string; epoch: number | undefined }>
  | Named<'finish', { s: string }>
  | Named<'endOnPods' | 'retire' | 'note', { pods: readonly string[] }>
  | Named<'reap' | 'purge'>

export interface Summary {
  readonly s: string
  readonly status: SessionStatus
  readonly endReason: string | undefined
  readonly epoch: number
  readonly pod: string | undefined
}

export type Answer =
  | { readonly kind: string; readonly session?: Summary }
  | readonly Summary[]
  | readonly string[]
  | number
  | undefined

export function summaryOf(s: string, { status, endReason, epoch, pod }: ModelSession): Summary {
  return { s, status, endReason, epoch, pod }
}

export type Op<Name extends StoreOp['op']> = Extract<StoreOp, { op: Name }>

export function sortedSummaries(summaries: readonly Summary[]): readonly Summary[] {
  return [...summaries].sort((a, b) => (a.s < b.s ? -1 : 1))
}
