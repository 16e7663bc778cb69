/**
 * Reads JSON without losing anything of it. `JSON.parse` rounds numbers that a double cannot hold and keeps one of two
 * members with the same name; here both are refused, with their path. So what is stored, handed on and hashed is what the
 * author wrote. No library: the agent SDK loads this file.
 */

export type ExactReading =
  | { readonly ok: true; readonly value: unknown }
  /** `syntax`: this is no JSON. `content`: it is JSON that would lose something. `problem` has no dot at its end. */
  | { readonly ok: false; readonly kind: 'syntax' | 'content'; readonly problem: string }

/** The caller chose the keys; a refusal shows no more than this of a path. */
const shownPathLength = 120

/** A byte order mark at the start is skipped, as RFC 8259 allows. Never throws, and a problem quotes no value. */
export function readExactJson(text: string): ExactReading {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return { ok: false, kind: 'syntax', problem: syntaxProblem(body) }
  }
  const problem = lossOf(body)
  return problem === undefined ? { ok: true, value } : { ok: false, kind: 'content', problem }
}

/**
 * Whether a number in decimal notation comes back as it was written: `0.1` and `1e21` do, 2^53 + 1, 1e400 and a decimal
 * of twenty digits do not. `-0` is the number 0.
 */
export function isExactNumber(source: string): boolean {
  // Fifteen digits always come back, and an exponent is what makes short text large.
  if (source.length <= 15 && !/[eE]/.test(source)) return true
  const value = Number(source)
  return Number.isFinite(value) && decimalOf(source) === decimalOf(String(value))
}

/** Digits and exponent without zeros at either end: one text for each number. */
function decimalOf(source: string): string {
  const [mantissa = '', exponent = '0'] = source.replace(/^[-+]/, '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** An object or a list that is open at this place of the text. */
interface Open {
  /** Member names so far; undefined in a list. */
  readonly names: Set<string> | undefined
  /** Name or index of the member that is being read. */
  at: string | number
  isName: boolean
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|-?\d[\d.eE+-]*/g

/** The first member name that comes twice or is reserved, or number that is not exact. The text is valid JSON. */
function lossOf(text: string): string | undefined {
  const open: Open[] = []
  for (const [found] of text.matchAll(token)) {
    const inner = open.at(-1)
    const first = found.charAt(0)
    switch (first) {
      case '{':
        open.push({ names: new Set(), at: '', isName: true })
        break
      case '[':
        open.push({ names: undefined, at: 0, isName: false })
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        if (inner?.names) inner.isName = true
        else if (inner) inner.at = Number(inner.at) + 1
        break
      case ':':
        break
      case '"': {
        if (!inner?.names || !inner.isName) break
        const name = found.includes('\\') ? (JSON.parse(found) as string) : found.slice(1, -1)
        const isTwice = inner.names.has(name)
        inner.names.add(name)
        inner.at = name
        inner.isName = false
        if (isTwice) return `${pathOf(open)}: comes twice in the same object; keep one of them`
        if (isReservedName(name, open.at(-2)?.at)) return `${pathOf(open)}: ${reservedName}`
        break
      }
      default:
        if (!isExactNumber(found)) return `${pathOf(open)}: ${inexactNumber}; send it as a string`
    }
  }
  return undefined
}

/** For JSON and YAML alike. */
export const inexactNumber = 'is a number that 64-bit floating point cannot hold without changing it'
/** For JSON and YAML alike. */
export const reservedName =
  'is a name that programs in JavaScript mistake for an object’s own workings; use another'

/** Such a member is harmless here, and a trap for programs that merge objects: agents get metadata as it is. */
function isReservedName(name: string, parent: string | number | undefined): boolean {
  return name === '__proto__' || (name === 'prototype' && parent === 'constructor')
}

function pathOf(open: readonly Open[]): string {
  const path = open.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  return path.length > shownPathLength ? `${path.slice(0, shownPathLength)}…` : path || '/'
}

const anyToken = /\s*("(?:[^"\\\n\r]|\\.)*"|[{}[\],:]|-?\d[\d.eE+-]*|true|false|null)/y

/** Says where and what, without the parser's own words: they quote the text, which may hold secrets. */
function syntaxProblem(text: string): string {
  if (text.trim() === '') return 'not valid JSON: it is empty'
  let before = ''
  let end = 0
  anyToken.lastIndex = 0
  for (let found = anyToken.exec(text); found; found = anyToken.exec(text)) {
    const [, now = ''] = found
    if (before === ',' && (now === '}' || now === ']'))
      return `not valid JSON at ${placeOf(text, end)}: no comma may stand before ${now}`
    before = now
    end = anyToken.lastIndex
  }
  const rest = end + text.slice(end).search(/\S|$/)
  if (rest === text.length) return 'not valid JSON: a comma, a colon or a closing bracket is missing'
  const what =
    text[rest] === '"'
      ? 'a text has no closing quote, or a line break in it'
      : 'comments, single quotes and names without quotes are not JSON'
  return `not valid JSON at ${placeOf(text, rest)}: ${what}`
}

function placeOf(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}
