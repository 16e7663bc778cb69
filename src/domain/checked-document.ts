import type { TSchema } from 'typebox'
import type { Validator } from 'typebox/compile'
import { readYaml } from './read-yaml.ts'

/** Either a valid document or every problem found in it, each with its path. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] }

/** A sentence a person can act on: `/pools/echo-agent/min: must be >= 0`. */
type Problem = string

interface CheckOptions<T> {
  /** Checks what the schema cannot: relations between fields. Runs only on a document of the right shape. */
  readonly relations?: (value: T) => readonly Problem[]
}

/**
 * Longest document that is read, in characters. The worst documents take about 2 µs a character to parse, and the
 * process does nothing else meanwhile: half a second at most. A hundred full pools are some 40,000 characters.
 */
const longestText = 256 * 1024

/** Parses YAML, applies the schema's defaults and checks it. Never throws on bad input. */
export function checkYaml<T>(text: string, schema: Validator, options: CheckOptions<T> = {}): Checked<T> {
  if (text.length > longestText) {
    return { ok: false, problems: [`/: has ${text.length} characters; at most ${longestText} are read`] }
  }
  const reading = readYaml(text)
  if (!reading.ok) return { ok: false, problems: [reading.problem] }
  return checkValue(reading.value, schema, options)
}

/** Checks a value that is already parsed; see {@link checkYaml}. */
export function checkValue<T>(raw: unknown, schema: Validator, options: CheckOptions<T> = {}): Checked<T> {
  const value = schema.Default(raw)
  if (!schema.Check(value))
    return { ok: false, problems: describeErrors(schema.Errors(value), schema.Type()) }
  const problems = options.relations?.(value as T) ?? []
  return problems.length === 0 ? { ok: true, value: value as T } : { ok: false, problems }
}

/** Another error of the same place says the same better. */
const foldedKeywords = new Set(['boolean', 'anyOf', 'propertyNames'])

type SchemaError = ReturnType<Validator<Record<string, TSchema>, TSchema>['Errors']>[number]

/**
 * One sentence a problem. Errors of unions and of "schema is false" are folded into one sentence that helps. With the
 * schema given, an unknown key comes with the known ones.
 */
export function describeErrors(errors: readonly SchemaError[], schema?: unknown): Problem[] {
  const problems = new Map<string, Problem>()
  const add = (path: string, text: string): void => {
    problems.set(`${path} ${text}`, `${path === '' ? '/' : path}: ${text}`)
  }
  const choices = new Map<string, string[]>()
  for (const error of errors) {
    const path = error.instancePath
    const parameters = error.params as Record<string, unknown>
    if (error.keyword === 'additionalProperties') {
      const known = knownKeys(schema, path)
      const hint = known.length > 0 ? `; known: ${known.join(', ')}` : ''
      for (const key of parameters.additionalProperties as string[])
        add(`${path}/${key}`, `is not a known key${hint}`)
    } else if (error.keyword === 'const') {
      choices.set(path, [...(choices.get(path) ?? []), JSON.stringify(parameters.allowedValue)])
    } else if (error.keyword === 'required') {
      for (const key of parameters.requiredProperties as string[]) add(`${path}/${key}`, 'is missing')
    } else if (!foldedKeywords.has(error.keyword)) {
      add(path, error.message)
    }
  }
  for (const [path, allowed] of choices) add(path, `must be one of ${allowed.join(', ')}`)
  if (problems.size === 0) for (const error of errors) add(error.instancePath, error.message)
  return [...problems.values()]
}

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
}

/** The keys that the schema has at this place; none where keys are free or the path crosses a union. */
function knownKeys(schema: unknown, instancePath: string): string[] {
  let node = schema as SchemaNode | undefined
  for (const escaped of instancePath.split('/').slice(1)) {
    const segment = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    const byPattern = Object.entries(node?.patternProperties ?? {}).find(([pattern]) =>
      new RegExp(pattern).test(segment),
    )
    const own =
      node?.properties && Object.hasOwn(node.properties, segment) ? node.properties[segment] : undefined
    node = own ?? byPattern?.[1] ?? node?.items
  }
  return Object.keys(node?.properties ?? {})
}
