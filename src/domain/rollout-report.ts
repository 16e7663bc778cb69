import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

const Count = Type.Integer({ minimum: 0 })
const Time = Type.String({ format: 'date-time' })

const Revision = Type.Object({
  revision: Type.String(),
  image: Type.String(),
  templateHash: Type.String(),
  policyDigest: orUndefined(Type.String()),
  assignKeyId: orUndefined(Type.String()),
  since: Time,
  verdict: Type.Union([Type.Literal('trial'), Type.Literal('good'), Type.Literal('failed')]),
  reason: orUndefined(Type.String({ description: 'Why its canary failed.' })),
})
export type RevisionReport = Static<typeof Revision>

/** How far the roll-out of one pool is, as `GET /v1/pools/:agentType/rollout` shows it. */
export const RolloutReport = Type.Object({
  agentType: Type.String(),
  phase: Type.Union(
    [
      Type.Literal('done'),
      Type.Literal('rolling'),
      Type.Literal('canary'),
      Type.Literal('stopped'),
      Type.Literal('paused'),
      Type.Literal('undone'),
    ],
    { description: 'undone: pods are made from an earlier template until that of the document changes.' },
  ),
  message: Type.String({ description: 'One sentence for people.' }),
  current: Type.Object(Revision.properties, { description: 'The template, row and key in force.' }),
  target: Type.Object(
    { templateHash: Type.String(), image: Type.String() },
    { description: 'What new pods are made from, canary pods excepted.' },
  ),
  pods: Type.Object({
    fresh: Type.Object({ idle: Count, claimed: Count }),
    drifted: Type.Object({ idle: Count, claimed: Count }, { description: 'Claimed ones stay.' }),
  }),
  canary: orUndefined(Type.Object({ pods: Count, seconds: Count, passed: Count })),
  revisions: Type.Immutable(Type.Array(Revision, { description: 'The latest first; at most 20.' })),
})
export type RolloutReport = Static<typeof RolloutReport>
