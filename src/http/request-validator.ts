import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { describeErrors } from '../domain/checked-document.ts'
import { GreenroomError } from '../errors.ts'
import { unstorableReason } from './storable-json.ts'

/** A refusal names at most this many problems, each cut to this length: the caller chose the keys, and their number. */
const shownProblems = 5
const shownProblemLength = 200

type Verdict = { readonly value: unknown } | { readonly error: GreenroomError }

/**
 * Checks one part of a request against its schema, with the validator that also checks ConfigMaps: every refusal reads
 * alike. Only parts that are text are converted.
 */
export function createRequestValidator(schema: TSchema, httpPart = 'request'): (given: unknown) => Verdict {
  const validator = Compile(schema)
  const isText = httpPart !== 'body'
  // Looking for defaults takes ten times as long as the check itself: 6 µs of an open.
  const hasDefaults = JSON.stringify(schema).includes('"default":')
  return (given) => {
    // First, because everything after it walks the value by recursion.
    const unfit = unfitReason(given, httpPart)
    if (unfit) return refused(`The ${httpPart} ${unfit}.`)
    const read = isText ? fromText(schema, given as object) : given
    const value = hasDefaults ? validator.Default(read) : read
    if (validator.Check(value)) return { value }
    return refused(`${httpPart} ${shortened(describeErrors(validator.Errors(value)))}.`)
  }
}

function refused(detail: string): Verdict {
  return { error: new GreenroomError('GRN_INVALID_REQUEST', detail) }
}

/** What no schema says, of the parts that reach PostgreSQL. Ids in paths are judged where they are read. */
function unfitReason(given: unknown, httpPart: string): string | undefined {
  if (httpPart === 'body') return unstorableReason(given)
  if (httpPart !== 'querystring') return undefined
  const repeated = Object.entries(given as object).find(([, value]) => Array.isArray(value))
  if (repeated) return `has the key ${repeated[0].slice(0, shownProblemLength)} more than once`
  return unstorableReason(given)
}

/** Integers and booleans out of text; typebox's own Convert makes 1 of "1.5" and of "true". */
function fromText(schema: TSchema, given: object): object {
  const { properties = {} } = schema as { properties?: Record<string, { type?: string }> }
  const read = ([key, text]: [string, unknown]): [string, unknown] => {
    const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined
    if (type === 'integer' && /^-?\d{1,15}$/.test(String(text))) return [key, Number(text)]
    if (type === 'boolean' && (text === 'true' || text === 'false')) return [key, text === 'true']
    return [key, text]
  }
  return Object.fromEntries(Object.entries(given).map(read))
}

function shortened(problems: readonly string[]): string {
  const shown = problems
    .slice(0, shownProblems)
    .map((problem) =>
      problem.length > shownProblemLength ? `${problem.slice(0, shownProblemLength)}…` : problem,
    )
  const more = problems.length - shown.length
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}
