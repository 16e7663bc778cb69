import { Type } from 'typebox'

/** How the pods of a pool start: keys of a pool in `agent-pools`. */

export const RefillSpec = Type.Object(
  {
    inFlight: Type.Integer({
      minimum: 1,
      default: 20,
      description: 'Most pods that may be warming at once.',
    }),
    perSecond: Type.Optional(
      Type.Number({
        // One pod in 100 s. Less is a pool that is frozen.
        minimum: 0.01,
        // More than an API server takes from one client.
        maximum: 1_000,
        description:
          'Most pods made in a second, on average; one second’s worth at once. Absent: no such limit.',
      }),
    ),
  },
  { additionalProperties: false, default: {} },
)

export const startingProperties = {
  refill: RefillSpec,
  startDeadlineSeconds: Type.Integer({
    minimum: 1,
    maximum: 86_400,
    // What a Deployment waits for progress. Ten minutes are enough for an image of 20 GB.
    default: 600,
    description:
      'A pod that has a node and is not Ready after this time failed: it is taken out of service and replaced.',
  }),
  keepFailed: Type.Integer({
    minimum: 0,
    maximum: 20,
    default: 0,
    description: 'So many of the pods that failed last are kept for a look. They count below max.',
  }),
}
