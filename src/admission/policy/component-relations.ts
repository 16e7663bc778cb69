import { duplicates } from './duplicates.ts'
import { componentImageProblems } from './image-patterns.ts'
import type { Component } from './policy-component.ts'
import type { PolicyDocument } from './policy-document.ts'

/** Components that allow too much or contradict themselves. */
export function componentProblems({ components }: PolicyDocument): string[] {
  const accounts = components.map((component) => component.serviceAccount)
  return [
    ...duplicates(accounts).map((name) => `/components: ServiceAccount ${name} is listed twice`),
    ...components.flatMap((component, index) => shapeProblems(`/components/${index}`, component)),
  ]
}

function shapeProblems(at: string, { images, env, mounts }: Component): string[] {
  const names = env.map((entry) => (typeof entry === 'string' ? entry : entry.name))
  return [
    ...componentImageProblems(`${at}/images`, images),
    ...duplicates(names).map((name) => `${at}/env: ${name} is listed twice`),
    ...env.flatMap((entry, index) =>
      typeof entry !== 'string' && entry.value !== undefined && entry.secret !== undefined
        ? [`${at}/env/${index}: may have a value or a secret, not both`]
        : [],
    ),
    ...mounts.flatMap(({ secret, configMap, emptyDir }, index) =>
      [secret, configMap, emptyDir].filter((source) => source !== undefined).length === 1
        ? []
        : [`${at}/mounts/${index}: must name one of secret, configMap, emptyDir`],
    ),
  ]
}
