import { duplicates } from './duplicates.ts'
import { componentImageProblems } from './image-patterns.ts'
import { oncePer } from './once-per.ts'
import { type Component, componentName } from './policy-component.ts'
import type { PolicyDocument } from './policy-document.ts'
import { labelValue } from './policy-scalars.ts'

/** Components that allow too much or contradict themselves. */
export function componentProblems({ components }: PolicyDocument): string[] {
  const accounts = components.map((component) => component.serviceAccount)
  return [
    ...duplicates(accounts).map((name) => `/components: ServiceAccount ${name} is listed twice`),
    // One Service would send its requests to both.
    ...duplicates(components.map(componentName)).map((name) => `/components: two have the name ${name}`),
    ...components.flatMap((component, index) => shapeProblems(`/components/${index}`, component)),
  ]
}

const labelValuePattern = new RegExp(`^${labelValue}$`)

function shapeProblems(at: string, component: Component): string[] {
  const { images, env, mounts } = component
  const names = env.map((entry) => (typeof entry === 'string' ? entry : entry.name))
  const name = componentName(component)
  return [
    ...(labelValuePattern.test(name)
      ? []
      : [`${at}/name: is missing; ServiceAccount ${name} cannot be the value of a label`]),
    ...componentImageProblems(`${at}/images`, images),
    ...duplicates(names).map((name) => `${at}/env: ${name} is listed twice`),
    ...env.flatMap((entry, index) =>
      typeof entry !== 'string' && entry.value !== undefined && entry.secret !== undefined
        ? [`${at}/env/${index}: may have a value or a secret, not both`]
        : [],
    ),
    ...env.flatMap((entry, index) =>
      typeof entry !== 'string' && entry.key !== undefined && entry.secret === undefined
        ? [`${at}/env/${index}/key: needs a secret`]
        : [],
    ),
    ...env.flatMap((entry, index) =>
      typeof entry !== 'string' &&
      entry.optional !== undefined &&
      entry.value === undefined &&
      entry.secret === undefined
        ? [`${at}/env/${index}/optional: needs a value or a secret; a name alone is always optional`]
        : [],
    ),
    ...mounts.flatMap(({ secret, configMap, emptyDir, claim }, index) =>
      [secret, configMap, emptyDir, claim].filter((source) => source !== undefined).length === 1
        ? []
        : [`${at}/mounts/${index}: must name one of secret, configMap, emptyDir, claim`],
    ),
  ]
}

/** Claims that a component keeps its data in. They are for no other pod. */
export const claimsOfComponents = oncePer(
  ({ components }: PolicyDocument): ReadonlySet<string> =>
    new Set(components.flatMap(({ mounts }) => mounts.flatMap(({ claim }) => claim ?? []))),
)
