import type { Command } from './container-settings.ts'
import { fitsPattern } from './name-pattern.ts'
import { oncePer } from './once-per.ts'
import type { PolicyDocument } from './policy-document.ts'
import type { Row } from './policy-row.ts'

/** Rows that would hand a Secret to whoever names their agent type. */
export function secretProblems(policy: PolicyDocument): string[] {
  const { defaults, agentTypes } = policy
  const reserved = [...secretsOfComponents(policy)]
  return [
    ...reservedProblems('/defaults', defaults, reserved),
    ...commandProblems('/defaults', defaults.commands),
    ...Object.entries(agentTypes).flatMap(([name, row]) => [
      ...reservedProblems(`/agentTypes/${name}`, row, reserved),
      ...commandProblems(`/agentTypes/${name}`, row.commands ?? []),
    ]),
    ...imageProblems(policy),
  ]
}

/** Secrets that a component reads. They are for no other pod. */
export const secretsOfComponents = oncePer(
  ({ components }: PolicyDocument): ReadonlySet<string> =>
    new Set(
      components.flatMap(({ env, mounts }) => [
        ...env.flatMap((entry) => (typeof entry !== 'string' && entry.secret ? [entry.secret] : [])),
        ...mounts.flatMap(({ secret }) => (secret ? [secret] : [])),
      ]),
    ),
)

function reservedProblems(
  at: string,
  { secrets = [], allowedSecrets = [] }: Pick<Row, 'secrets' | 'allowedSecrets'>,
  reserved: readonly string[],
): string[] {
  return reserved.flatMap((name) => [
    ...secrets.flatMap(({ secret }, index) =>
      secret === name
        ? [`${at}/secrets/${index}/secret: ${name} is a component's and may be used by no row`]
        : [],
    ),
    ...allowedSecrets
      .filter((pattern) => fitsPattern(name, pattern))
      .map(
        (pattern) => `${at}/allowedSecrets: ${pattern} would allow Secret ${name}, which is a component's`,
      ),
  ])
}

/** Kubernetes would replace `$(NAME)` by a variable, and the author of a pod chooses its variables. */
function commandProblems(at: string, commands: readonly Command[]): string[] {
  return commands.flatMap(({ command = [], args = [] }, index) =>
    [...command, ...args]
      .filter((word) => word.includes('$('))
      .map(
        (word) => `${at}/commands/${index}: ${word} may not refer to a variable, for a pod chooses its own`,
      ),
  )
}

/** A label costs nothing. An image of the author's choice would print what the row hands out. */
function imageProblems({ defaults, agentTypes, modes }: PolicyDocument): string[] {
  const open = Object.entries(agentTypes).flatMap(([name, row]) => {
    const { secrets, allowedSecrets, secretsFor, images } = { ...defaults, ...row }
    const names = [...secrets.map(({ secret }) => secret), ...allowedSecrets]
    if (names.length === 0 || secretsFor === 'pools') return []
    return [{ name, secrets: [...new Set(names)].join(', '), allowed: images.allowed }]
  })
  const isRelaxed = Object.hasOwn(modes, 'images') && modes['images'] !== 'enforce'
  const relaxed = isRelaxed ? open.slice(0, 1) : []
  return [
    ...open
      .filter(({ allowed }) => allowed === undefined)
      .map(
        ({ name, secrets }) =>
          `/agentTypes/${name}/images/allowed: is missing; everybody who may create pods gets ${secrets} by the label ` +
          `agent-type=${name}, and an image of their own would print it. Add images: { allowed: [registry/your-agent] }, or secretsFor: pools`,
      ),
    ...relaxed.map(
      ({ name, secrets }) =>
        `/modes/images: must be enforce while row ${name} gives ${secrets} to everyone; or say secretsFor: pools there`,
    ),
  ]
}
