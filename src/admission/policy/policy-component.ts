import { type Static, Type } from 'typebox'
import { imagePatternText } from './image-patterns.ts'
import { closed, envName, labelValue, objectName } from './policy-scalars.ts'

/**
 * One of Greenroom's own pods in a namespace of agents. Its ServiceAccount has rights that no other has, and everybody who
 * may create pods could use it. So the row gives the whole shape of the pod, and every other shape is refused.
 */

const words = Type.Array(Type.String())
const wordLists = (description: string) => Type.Array(words, { default: [], description })

const ComponentEnv = Type.Union([
  envName,
  Type.Object(
    {
      name: envName,
      value: Type.Optional(Type.String({ description: 'The only value it may have.' })),
      secret: Type.Optional({ ...objectName, description: 'It must come from this Secret.' }),
      key: Type.Optional(
        Type.String({
          pattern: '^[-._A-Za-z0-9]{1,253}$',
          description: 'The key of the Secret. The default is the name of the variable.',
        }),
      ),
      optional: Type.Optional(
        Type.Boolean({
          description:
            'True: the variable may be absent. One with a value or a secret is required otherwise.',
        }),
      ),
    },
    closed,
  ),
])

const ComponentMount = Type.Object(
  {
    path: Type.String({ pattern: '^/.*[^/]$' }),
    secret: Type.Optional(objectName),
    configMap: Type.Optional(objectName),
    emptyDir: Type.Optional(Type.Literal(true)),
    claim: Type.Optional({
      ...objectName,
      description:
        'A PersistentVolumeClaim. Only a component may mount it: whoever else did would read what it keeps.',
    }),
  },
  { ...closed, description: 'A place and the one volume that may be mounted there.' },
)
export type ComponentMount = Static<typeof ComponentMount>

export const Component = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        pattern: `^${labelValue}$`,
        description:
          'Value of the label greenroom.dev/component on its pods, by which Services and network policies select ' +
          'them. The default is its ServiceAccount.',
      }),
    ),
    serviceAccount: objectName,
    images: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: `Images that may act as Greenroom, each with its tag or *. ${imagePatternText}`,
    }),
    commands: wordLists('Commands that its one container may have. Unset is always allowed.'),
    args: wordLists(
      'Arguments that its one container may have, each list as a whole. None: it may have none.',
    ),
    env: Type.Array(ComponentEnv, {
      default: [],
      description:
        'Environment that it may have. A name alone: a plain value or a field of the pod. An object also says where the ' +
        'value must come from, and is required.',
    }),
    mounts: Type.Array(ComponentMount, {
      default: [],
      description: 'Volumes that it may have, by place. The token that Kubernetes mounts is always allowed.',
    }),
  },
  closed,
)
export type Component = Static<typeof Component>

/** Who its pods are: the value of their label. */
export function componentName({ name, serviceAccount }: Component): string {
  return name ?? serviceAccount
}
