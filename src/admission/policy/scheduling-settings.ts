import { type Static, Type } from 'typebox'
import { closed, described, labelKey, labelValue, oneOf } from './policy-scalars.ts'

/** What a row may say of the nodes that a pod runs on. */

export const MatchExpression = Type.Object(
  {
    key: labelKey,
    operator: oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']),
    values: Type.Optional(Type.Array(Type.String({ pattern: `^(${labelValue})?$` }))),
  },
  closed,
)
export type MatchExpression = Static<typeof MatchExpression>

export const Toleration = Type.Object(
  {
    key: Type.Optional(labelKey),
    operator: oneOf(['Equal', 'Exists'], { default: 'Equal' }),
    value: Type.Optional(Type.String({ pattern: `^(${labelValue})?$` })),
    effect: Type.Optional(oneOf(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
    tolerationSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)
export type PolicyToleration = Static<typeof Toleration>

export const TopologySpread = Type.Object(
  {
    maxSkew: Type.Integer({ minimum: 1, default: 1 }),
    topologyKey: labelKey,
    whenUnsatisfiable: oneOf(['ScheduleAnyway', 'DoNotSchedule'], { default: 'ScheduleAnyway' }),
    labelSelector: Type.Optional(
      Type.Object(
        { matchLabels: Type.Record(labelKey, Type.String({ pattern: `^(${labelValue})?$` })) },
        { ...closed, ...described("Absent: the pods of the row's agent type.") },
      ),
    ),
  },
  closed,
)
export type PolicyTopologySpread = Static<typeof TopologySpread>
