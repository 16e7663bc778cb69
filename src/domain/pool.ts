import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { agentTypePattern } from './agent-type-name.ts'
import { type Checked, checkYaml } from './checked-document.ts'
import { LeaseHolder } from './lease-holder.ts'
import { longestWaitMs, OnEmpty } from './session-request.ts'

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

const RefillSpec = Type.Object(
  {
    inFlight: Type.Integer({
      minimum: 1,
      default: 20,
      description: 'Most pods that may be warming at once.',
    }),
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

export const PoolSpec = Type.Object(
  {
    template: PoolTemplate,
    min: Type.Integer({ minimum: 0, maximum: 100_000, description: 'Idle pods, always.' }),
    max: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      description: 'Ceiling of idle and claimed pods together.',
    }),
    onEmpty: Type.Union(OnEmpty.anyOf, { default: 'wait' }),
    waitMs: Type.Integer({ minimum: 0, maximum: longestWaitMs, default: 5_000 }),
    lease: LeaseSpec,
    maxSessionSeconds: Type.Integer({ minimum: 1, maximum: longestSeconds, default: 14_400 }),
    refill: RefillSpec,
    coldStart: ColdStartSpec,
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
    const { defaultSeconds, minSeconds, maxSeconds } = spec.lease
    if (minSeconds > maxSeconds)
      problems.push(`${at}/lease/minSeconds: is more than maxSeconds (${maxSeconds})`)
    if (defaultSeconds < minSeconds || defaultSeconds > maxSeconds) {
      problems.push(`${at}/lease/defaultSeconds: must lie between minSeconds and maxSeconds`)
    }
    const names = (spec.template.env ?? []).map((variable) => variable.name)
    for (const name of names) {
      if (name.startsWith('GREENROOM_'))
        problems.push(`${at}/template/env: ${name} is set by Greenroom itself`)
    }
  }
  return problems
}
