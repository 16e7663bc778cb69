import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { agentTypePattern } from './agent-type-name.ts'
import { type Checked, checkYaml } from './checked-document.ts'
import { LeaseHolder } from './lease-holder.ts'
import { metadataProblems, metadataProperties } from './pool-metadata-spec.ts'
import { PricePerPodHour } from './price-spec.ts'
import { RolloutSpec } from './rollout-spec.ts'
import { scheduleProblems } from './schedule.ts'
import { ScheduleSpec } from './schedule-spec.ts'
import { longestWaitMs, OnEmpty } from './session-request.ts'
import { SizingSpec, sizingProblems } from './sizing/sizing-spec.ts'
import { startingProperties } from './starting-spec.ts'
import { VolumeMountSpec, VolumeSpec, volumeProblems } from './volume-spec.ts'
import { YieldSpec } from './yield-spec.ts'

/**
 * ConfigMap `agent-pools`, key `pools.yaml`: what we want of each pool. Resources, probes, security and secrets are in
 * `agent-policy` alone. Schema, static type and defaults are one declaration.
 */

const closed = { additionalProperties: false } as const

/** A week. No conversation is longer, and its milliseconds fit PostgreSQL's integer. */
const longestSeconds = 604_800

const EnvVar = Type.Object({ name: Type.String({ minLength: 1 }), value: Type.String() }, closed)

const PoolTemplate = Type.Object(
  {
    image: Type.String({ minLength: 1, description: 'Image of the agent container, by tag or digest.' }),
    command: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
    args: Type.Optional(Type.Array(Type.String())),
    env: Type.Optional(Type.Array(EnvVar)),
    imagePullPolicy: Type.Optional(
      Type.Union([Type.Literal('Always'), Type.Literal('IfNotPresent'), Type.Literal('Never')]),
    ),
    volumes: Type.Optional(Type.Array(VolumeSpec, { maxItems: 50 })),
    volumeMounts: Type.Optional(Type.Array(VolumeMountSpec, { maxItems: 50 })),
  },
  closed,
)

const LeaseSpec = Type.Object(
  {
    defaultSeconds: Type.Integer({ minimum: 1, maximum: longestSeconds, default: 60 }),
    minSeconds: Type.Integer({ minimum: 1, maximum: longestSeconds, default: 10 }),
    maxSeconds: Type.Integer({ minimum: 1, maximum: longestSeconds, default: 3600 }),
    heldBy: Type.Optional(
      Type.Union(LeaseHolder.anyOf, {
        description:
          'Whose renewals extend the lease: the session ends when this party falls silent. Renewals by the other one are answered and extend nothing. If it is left out, sessions opened with an Idempotency-Key have "both" and sessions without one "caller".',
      }),
    ),
  },
  { ...closed, default: {} },
)

const ColdStartSpec = Type.Object(
  {
    max: Type.Integer({
      minimum: 0,
      maximum: 10_000,
      default: 10,
      description: 'Most sessions that may wait for a pod made for them, beyond the idle pods.',
    }),
    deadlineSeconds: Type.Integer({ minimum: 1, maximum: 3_600, default: 120 }),
  },
  { ...closed, default: {} },
)

const RoomSpec = Type.Object(
  {
    joinSeconds: Type.Integer({
      minimum: 1,
      maximum: 3_600,
      default: 10,
      description:
        'How long the agent may take to join its LiveKit room, and again after it got a fresh token.',
    }),
    onNotJoined: Type.Union([Type.Literal('end'), Type.Literal('mark'), Type.Literal('ignore')], {
      default: 'end',
      description:
        'What happens to a session whose agent has not joined: it ends with failed:agent-not-joined, or gets agentOverdueAt, or nothing, for agents that join no room.',
    }),
    leftSeconds: Type.Integer({
      minimum: 1,
      maximum: longestSeconds,
      default: 20,
      description: 'How long the last participant may be gone before the session ends with room:left.',
    }),
  },
  { ...closed, default: {} },
)

export const PoolSpec = Type.Object(
  {
    template: PoolTemplate,
    ...metadataProperties,
    min: Type.Integer({ minimum: 0, maximum: 100_000, description: 'Idle pods, always.' }),
    max: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      description: 'Ceiling of idle and claimed pods together.',
    }),
    sizing: Type.Optional(SizingSpec),
    schedule: Type.Optional(ScheduleSpec),
    onEmpty: Type.Union(OnEmpty.anyOf, { default: 'wait' }),
    waitMs: Type.Integer({ minimum: 0, maximum: longestWaitMs, default: 5_000 }),
    lease: LeaseSpec,
    maxSessionSeconds: Type.Integer({ minimum: 1, maximum: longestSeconds, default: 14_400 }),
    room: RoomSpec,
    ...startingProperties,
    rollout: RolloutSpec,
    maxIdleAge: Type.Optional(
      Type.Integer({
        // Below it a pool would do little but replace its pods.
        minimum: 10,
        maximum: 31_536_000,
        description:
          'Seconds after which an idle pod is replaced, each at a time of its own in the last quarter of it. Absent: never.',
      }),
    ),
    coldStart: ColdStartSpec,
    yieldTo: YieldSpec,
    pricePerPodHour: Type.Optional(PricePerPodHour),
    frozen: Type.Boolean({ default: false, description: 'No voluntary create or retire while true.' }),
  },
  // typebox fills in defaults inside a Record only if the value's schema has a default itself. This one is never used.
  { ...closed, default: {} },
)
export type PoolSpec = Static<typeof PoolSpec>

export const PoolsDocument = Type.Object(
  {
    pools: Type.Record(Type.String({ pattern: agentTypePattern }), PoolSpec, {
      // A Record alone does not check keys of another form, and typebox's Default throws on a closed Record.
      propertyNames: { pattern: agentTypePattern },
    }),
  },
  closed,
)
export type PoolsDocument = Static<typeof PoolsDocument>

const validator = Compile(PoolsDocument)

/** Checks the text of `pools.yaml`; the problems name their paths. */
export function checkPools(text: string): Checked<PoolsDocument> {
  return checkYaml<PoolsDocument>(text, validator, { relations: poolRelations })
}

function poolRelations({ pools }: PoolsDocument): string[] {
  const problems: string[] = []
  for (const [agentType, spec] of Object.entries(pools)) {
    const at = `/pools/${agentType}`
    if (spec.min > spec.max) problems.push(`${at}/min: ${spec.min} is more than max (${spec.max})`)
    if (spec.sizing) problems.push(...sizingProblems(spec.sizing, `${at}/sizing`))
    const inSchedule = scheduleProblems(spec.schedule ?? [], spec.max)
    problems.push(...inSchedule.map((problem) => `${at}/schedule${problem}`))
    const { defaultSeconds, minSeconds, maxSeconds } = spec.lease
    if (minSeconds > maxSeconds)
      problems.push(`${at}/lease/minSeconds: is more than maxSeconds (${maxSeconds})`)
    if (defaultSeconds < minSeconds || defaultSeconds > maxSeconds) {
      problems.push(`${at}/lease/defaultSeconds: must lie between minSeconds and maxSeconds`)
    }
    problems.push(...metadataProblems(at, spec), ...volumeProblems(`${at}/template`, spec.template))
    const names = (spec.template.env ?? []).map((variable) => variable.name)
    for (const name of names) {
      if (name.startsWith('GREENROOM_'))
        problems.push(`${at}/template/env: ${name} is set by Greenroom itself`)
    }
  }
  return problems
}
