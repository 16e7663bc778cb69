import { type Static, Type } from 'typebox'
import type { AuditActor } from './audit.ts'
import { orUndefined } from './or-undefined.ts'

export const SizeBody = Type.Object(
  {
    min: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    max: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    dryRun: Type.Boolean({ default: false, description: 'Only say what would change.' }),
  },
  { additionalProperties: false },
)
export type SizeBody = Static<typeof SizeBody>

/** What a change of a pool comes to. */
export const PoolChange = Type.Object({
  agentType: Type.String(),
  changed: Type.Boolean({ description: 'False for a dry run, and where everything was so already.' }),
  dryRun: Type.Boolean(),
  diff: Type.String({ description: 'Of pools.yaml, as `diff -u` has it; empty where nothing changes.' }),
  generation: orUndefined(
    Type.String({
      description: 'resourceVersion of ConfigMap agent-pools afterwards; absent for a dry run.',
    }),
  ),
  writable: Type.Boolean({ description: 'Whether this installation lets the API change agent-pools.' }),
  command: Type.String({ description: 'To change it by hand.' }),
})
export type PoolChange = Static<typeof PoolChange>

export const RetiredPod = Type.Object({ agentType: Type.String(), pod: Type.String(), uid: Type.String() })
export type RetiredPod = Static<typeof RetiredPod>

/** `pools.yaml` as it is in its ConfigMap, and the version that a change replaces. */
export interface WrittenPools {
  readonly text: string
  readonly resourceVersion: string
}

/** ConfigMap `agent-pools`, that people edit. */
export interface WrittenPoolsStore {
  /** undefined: there is no such ConfigMap, or no such key in it. */
  read(): Promise<WrittenPools | undefined>
  /**
   * Replaces the text of this version and of no other; resolves with the new resourceVersion. A dry run asks the API server
   * and its admission alike, and changes nothing.
   */
  replace(written: WrittenPools, text: string, options: { readonly dryRun: boolean }): Promise<string>
}

/** Whether this caller may change agent-pools by rights of its own in Kubernetes; true for those that have none there. */
export type MayEditPools = (by: AuditActor) => Promise<boolean>
