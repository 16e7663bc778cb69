import { wrongArguments } from './wrong-arguments.ts'

/**
 * The part of kubectl's jsonpath that people use: text, `{.a.b}`, `{.a[0]}`, `{.a[-1]}`, `{.a[*]}`, `{["a-b"]}`,
 * `{.a[?(@.b=="c")]}`, `{..a}`, `{"\n"}` and `{range .a[*]}…{end}`. Values of one path are separated by spaces.
 */

type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'path'; readonly steps: readonly Step[] }
  | { readonly kind: 'range'; readonly steps: readonly Step[]; readonly parts: readonly Part[] }

/** From one value to those that it leads to. */
type Step = (value: unknown) => readonly unknown[]

/** @throws GreenroomError GRN_WRONG_ARGUMENTS for a template that cannot be read */
export function compileJsonPath(template: string): (document: unknown) => string {
  const tokens = tokensOf(template)
  const parts = partsOf(tokens, false)
  return (document) => parts.map((part) => textOf(part, document)).join('')
}

/** Texts, and what stands in braces. Quotes in braces may hold braces. */
function tokensOf(template: string): { readonly text: string; readonly isCode: boolean }[] {
  // A path alone needs no braces, as in kubectl.
  if (/^[.[]/.test(template)) return [{ text: template, isCode: true }]
  const tokens: { text: string; isCode: boolean }[] = []
  const pattern = /\{((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^{}"'])*)\}|([^{}]+)/y
  while (pattern.lastIndex < template.length) {
    const at = pattern.lastIndex
    const [, code, text] = pattern.exec(template) ?? []
    if (code === undefined && text === undefined)
      throw unreadable(template.slice(at), 'a brace has no partner')
    tokens.push(
      code === undefined ? { text: text ?? '', isCode: false } : { text: code.trim(), isCode: true },
    )
  }
  return tokens
}

function partsOf(tokens: ReturnType<typeof tokensOf>, inRange: boolean): Part[] {
  const parts: Part[] = []
  for (let token = tokens.shift(); token; token = tokens.shift()) {
    const { text, isCode } = token
    if (!isCode) parts.push({ kind: 'text', text })
    else if (text === 'end' && inRange) return parts
    else if (text === 'end') throw unreadable('{end}', 'no range is open')
    else if (/^["']/.test(text)) parts.push({ kind: 'text', text: unquoted(text) })
    else if (text.startsWith('range ')) {
      const steps = stepsOf(text.slice('range '.length).trim())
      parts.push({ kind: 'range', steps, parts: partsOf(tokens, true) })
    } else parts.push({ kind: 'path', steps: stepsOf(text) })
  }
  if (inRange) throw unreadable('{range …}', 'it has no {end}')
  return parts
}

function stepsOf(path: string): Step[] {
  const steps: Step[] = []
  let rest = path.replace(/^[$@]/, '')
  while (rest !== '' && rest !== '.') {
    const [matched = '', step] = nextStep(rest) ?? []
    if (step === undefined) throw unreadable(rest, 'it is no step of a path')
    steps.push(step)
    rest = rest.slice(matched.length)
  }
  return steps
}

function nextStep(path: string): [string, Step] | undefined {
  const [deep, deepName = ''] = /^\.\.([\w-]+)/.exec(path) ?? []
  if (deep !== undefined) return [deep, (value) => below(value).flatMap(field(deepName))]
  const [dotted, name = ''] = /^\.([\w/-]+|\*)/.exec(path) ?? []
  if (dotted !== undefined) return [dotted, name === '*' ? children : field(name)]
  const [quoted, , quotedName = ''] = /^\.?\[(["'])(.*?)\1\]/.exec(path) ?? []
  if (quoted !== undefined) return [quoted, field(quotedName)]
  const [indexed, index = ''] = /^\.?\[(-?\d+|\*)\]/.exec(path) ?? []
  if (indexed !== undefined)
    return [
      indexed,
      index === '*'
        ? children
        : (value) => present(Array.isArray(value) ? value.at(Number(index)) : undefined),
    ]
  const [filtered, left = '', operator = '', right = ''] =
    /^\.?\[\?\(@([^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)]+?)\s*)?\)\]/.exec(path) ?? []
  return filtered === undefined ? undefined : [filtered, filter(stepsOf(left), operator, right)]
}

function filter(steps: readonly Step[], operator: string, right: string): Step {
  const wanted = /^["']/.test(right) ? unquoted(right) : right
  return (value) =>
    children(value).filter((item) => {
      const [found] = follow(steps, item)
      return operator === '' ? found !== undefined : compare(found, operator, wanted)
    })
}

function compare(found: unknown, operator: string, wanted: string): boolean {
  if (operator === '==') return shown(found) === wanted
  if (operator === '!=') return shown(found) !== wanted
  const difference = Number(found) - Number(wanted)
  if (operator.startsWith('<')) return operator === '<=' ? difference <= 0 : difference < 0
  return operator === '>=' ? difference >= 0 : difference > 0
}

function field(name: string): Step {
  return (value) =>
    isObject(value) && Object.hasOwn(value, name) ? present((value as Record<string, unknown>)[name]) : []
}

function children(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  return isObject(value) ? Object.values(value) : []
}

function below(value: unknown): readonly unknown[] {
  return [value, ...children(value).flatMap(below)]
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function present(value: unknown): readonly unknown[] {
  return value === undefined ? [] : [value]
}

function follow(steps: readonly Step[], value: unknown): readonly unknown[] {
  return steps.reduce<readonly unknown[]>((values, step) => values.flatMap(step), [value])
}

function textOf(part: Part, value: unknown): string {
  if (part.kind === 'text') return part.text
  const values = follow(part.steps, value)
  if (part.kind === 'path') return values.map(shown).join(' ')
  return values.map((item) => part.parts.map((inner) => textOf(inner, item)).join('')).join('')
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter)
}

function unreadable(rest: string, why: string): Error {
  return wrongArguments(`The jsonpath cannot be read at "${rest.slice(0, 40)}": ${why}.`)
}
