import {
  type Alias,
  type Document,
  isCollection,
  isNode,
  isScalar,
  LineCounter,
  type Pair,
  parseAllDocuments,
  type Scalar,
  visit,
  type YAMLMap,
  type YAMLParseError,
  type YAMLSeq,
} from 'yaml'
import { inexactNumber, isExactNumber, reservedName } from './exact-json.ts'

/**
 * Reads YAML without losing anything of it, and says what is wrong in words of our own: the library's are about its
 * programming interface. Every problem names its line and what to do about it.
 */

export type YamlReading =
  | { readonly ok: true; readonly values: readonly unknown[] }
  | { readonly ok: false; readonly problem: string }

/** Aliases are bounded, because a document of a few lines could expand to gigabytes. */
const mostAliases = 100

/** By the library's code of a syntax error. */
const sentenceOfCode: Readonly<Record<string, string>> = {
  BAD_DIRECTIVE: 'a directive (%) cannot be read; leave it out',
  BAD_DQ_ESCAPE: 'a backslash in double quotes starts an escape that YAML does not have; use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines around it, or a closing bracket is missing',
  BAD_SCALAR_START: 'a value begins with a special character; quote it',
  BLOCK_AS_IMPLICIT_KEY:
    'two keys stand in one line; put each in a line of its own, or quote a value with ": "',
  BLOCK_IN_FLOW: 'a list or map in lines stands inside [ ] or { }; write it in one of the two styles',
  DUPLICATE_KEY: 'a key comes twice in the same map; keep one of them',
  KEY_OVER_1024_CHARS: 'a key is longer than 1,024 characters',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  MISSING_CHAR: 'a closing bracket, quote, comma or the space after a ":" is missing',
  MULTILINE_IMPLICIT_KEY: 'a key goes over several lines; quote a value that has ":" in it',
  TAB_AS_INDENT: 'a tab is used for indentation; use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!…) is not known; leave it out',
  BAD_ALIAS: 'an alias (*…) has no name that can be read',
  UNEXPECTED_TOKEN:
    'something stands where a key or value should; quote values that begin with a special character',
}
const otherSyntax = 'this is not YAML; check quotes, brackets and indentation'

/** All documents of the text, without those that hold nothing. Never throws. */
export function readYamlDocuments(text: string): YamlReading {
  const lines = new LineCounter()
  const at = (offset: number) => `line ${lines.linePos(offset).line}`
  try {
    const parsed = parseAllDocuments(text, { uniqueKeys: true, merge: false, lineCounter: lines })
    const documents = Array.isArray(parsed) ? (parsed as Document.Parsed[]) : []
    const values: unknown[] = []
    for (const document of documents) {
      const problem = syntaxProblem(document, at) ?? contentProblem(document, at)
      if (problem !== undefined) return { ok: false, problem }
      if (document.contents === null || (isScalar(document.contents) && document.contents.value === null))
        continue
      values.push(document.toJS({ maxAliasCount: mostAliases }))
    }
    return { ok: true, values }
  } catch (error) {
    // A chain of aliases, or nesting that overflows the parser's stack. The messages of both are the library's.
    const problem =
      error instanceof RangeError
        ? 'not valid YAML: it is nested too deeply'
        : `not valid YAML: its aliases (*…) expand to more than ${mostAliases} copies of one anchor; write some of them out`
    return { ok: false, problem }
  }
}

/** The one document of the text. */
export function readYaml(
  text: string,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly problem: string } {
  const reading = readYamlDocuments(text)
  if (!reading.ok) return reading
  const { values } = reading
  if (values.length === 0)
    return { ok: false, problem: '/: is empty; there is nothing in it but comments or space' }
  if (values.length > 1) {
    const problem = `/: holds ${values.length} YAML documents, separated by "---"; keep one of them`
    return { ok: false, problem }
  }
  return { ok: true, value: values[0] }
}

type PlaceOf = (offset: number) => string

function syntaxProblem({ errors, warnings }: Document.Parsed, at: PlaceOf): string | undefined {
  const found: YAMLParseError | (typeof warnings)[number] | undefined = errors[0] ?? warnings[0]
  return found && `not valid YAML: ${at(found.pos[0])}: ${sentenceOfCode[found.code] ?? otherSyntax}`
}

/** What is YAML and still would be read as something else than its author meant. */
function contentProblem(document: Document.Parsed, at: PlaceOf): string | undefined {
  // In YAML 1.1 "yes" is true, 010 is eight and "<<" merges.
  if (document.directives.yaml.version !== '1.2')
    return 'the directive %YAML asks for an old version; leave it out'
  /** Nodes by anchor, in the order of the text. Asking the library for each alias would walk the document each time. */
  const anchors = new Map<string, unknown>()
  let problem: string | undefined
  const stop = (offset: number, sentence: string) => {
    problem = `${at(offset)}: ${sentence}`
    return visit.BREAK
  }
  visit(document, {
    Pair: (_index, { key }: Pair) => {
      const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0
      if (isCollection(key)) return stop(offset, 'a key is a list or a map; use text')
      if (!isScalar(key)) return undefined
      const name = key.source ?? String(key.value)
      if (name === '<<')
        return stop(
          offset,
          'the merge key "<<" is not read; write its keys out, or give the whole value by an alias',
        )
      return name === '__proto__' ? stop(offset, `"${name}" ${reservedName}`) : undefined
    },
    Alias: (_index, alias: Alias, path) => {
      const name = `the alias *${alias.source.slice(0, 64)}`
      const target: unknown = anchors.get(alias.source)
      if (target === undefined) return stop(alias.range?.[0] ?? 0, `${name} has no anchor before it`)
      return (path as readonly unknown[]).includes(target)
        ? stop(alias.range?.[0] ?? 0, `${name} stands inside what it repeats`)
        : undefined
    },
    Collection: (_index, collection: YAMLMap | YAMLSeq) => {
      if (collection.anchor !== undefined) anchors.set(collection.anchor, collection)
    },
    Scalar: (_index, scalar: Scalar) => {
      if (scalar.anchor !== undefined) anchors.set(scalar.anchor, scalar)
      const offset = scalar.range?.[0] ?? 0
      // Without the value: it may be a secret.
      return isLost(scalar) ? stop(offset, `this ${inexactNumber}; put it in quotes`) : undefined
    },
  })
  return problem
}

function isLost({ value, source }: Scalar): boolean {
  if (typeof value !== 'number') return false
  if (source !== undefined && /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(source))
    return !isExactNumber(source)
  // Hexadecimal, octal, .inf and .nan.
  return !Number.isSafeInteger(value)
}
