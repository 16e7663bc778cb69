import { type Static, Type } from 'typebox'

/**
 * Volumes of a pool's template, in Kubernetes' own words. Which kinds, Secrets and sizes a type may have says its row in
 * agent-policy: the webhook judges every pod, and a document whose pods it would refuse does not come into force.
 */

const closed = { additionalProperties: false } as const

/** Names of volumes are DNS labels; those that begin with "greenroom-" are the webhook's. */
const VolumeName = Type.String({ pattern: '^(?!greenroom-)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' })
const ObjectName = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' })
const Items = Type.Optional(
  Type.Array(
    Type.Object(
      { key: Type.String({ minLength: 1 }), path: Type.String({ pattern: '^(?!/)(?!.*\\.\\.).+$' }) },
      closed,
    ),
    { minItems: 1 },
  ),
)
const isOptional = Type.Optional(Type.Boolean())
const Quantity = Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$' })

const EmptyDir = Type.Object(
  { sizeLimit: Type.Optional(Quantity), medium: Type.Optional(Type.Literal('Memory')) },
  closed,
)
const ConfigMapSource = Type.Object({ name: ObjectName, items: Items, optional: isOptional }, closed)
const SecretSource = Type.Object({ secretName: ObjectName, items: Items, optional: isOptional }, closed)
const ProjectedSource = Type.Object(
  {
    configMap: Type.Optional(ConfigMapSource),
    secret: Type.Optional(Type.Object({ name: ObjectName, items: Items, optional: isOptional }, closed)),
  },
  { ...closed, minProperties: 1, maxProperties: 1 },
)
const ClaimSpec = Type.Object(
  {
    accessModes: Type.Array(Type.Union([Type.Literal('ReadWriteOnce'), Type.Literal('ReadWriteOncePod')]), {
      minItems: 1,
      maxItems: 1,
    }),
    storageClassName: Type.Optional(ObjectName),
    resources: Type.Object({ requests: Type.Object({ storage: Quantity }, closed) }, closed),
  },
  closed,
)

const sources = {
  emptyDir: Type.Optional(EmptyDir),
  configMap: Type.Optional(ConfigMapSource),
  secret: Type.Optional(SecretSource),
  projected: Type.Optional(
    Type.Object({ sources: Type.Array(ProjectedSource, { minItems: 1, maxItems: 20 }) }, closed),
  ),
  ephemeral: Type.Optional(
    Type.Object({ volumeClaimTemplate: Type.Object({ spec: ClaimSpec }, closed) }, closed),
  ),
  persistentVolumeClaim: Type.Optional(
    Type.Object(
      {
        claimName: ObjectName,
        readOnly: Type.Literal(true, {
          description: 'All pods of the pool share it, whatever session they serve: none may write.',
        }),
      },
      closed,
    ),
  ),
}

export const VolumeSpec = Type.Object(
  { name: VolumeName, ...sources },
  { ...closed, description: 'A name and one source.' },
)
type VolumeSpec = Static<typeof VolumeSpec>

export const VolumeMountSpec = Type.Object(
  {
    name: VolumeName,
    mountPath: Type.String({ pattern: '^/[^:]+$', maxLength: 512 }),
    readOnly: Type.Optional(Type.Boolean()),
    subPath: Type.Optional(Type.String({ pattern: '^(?!/)(?!.*\\.\\.).+$' })),
  },
  closed,
)
type VolumeMountSpec = Static<typeof VolumeMountSpec>

interface Mounted {
  readonly volumes?: readonly VolumeSpec[]
  readonly volumeMounts?: readonly VolumeMountSpec[]
}

/** What the schema cannot say; `at` is the path of the template. */
export function volumeProblems(at: string, { volumes = [], volumeMounts = [] }: Mounted): string[] {
  const names = volumes.map(({ name }) => name)
  const paths = volumeMounts.map(({ mountPath }) => mountPath)
  return [
    ...volumes.flatMap((volume, index) =>
      sourcesOf(volume).length === 1
        ? []
        : [`${at}/volumes/${index}: must name one of ${Object.keys(sources).join(', ')}`],
    ),
    ...twice(names).map((name) => `${at}/volumes: ${name} is listed twice`),
    ...volumeMounts.flatMap(({ name }, index) =>
      names.includes(name) ? [] : [`${at}/volumeMounts/${index}/name: there is no volume ${name}`],
    ),
    ...twice(paths).map((path) => `${at}/volumeMounts: two are at ${path}`),
  ]
}

function sourcesOf(volume: VolumeSpec): string[] {
  return Object.keys(volume).filter((key) => key !== 'name')
}

function twice(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))]
}
