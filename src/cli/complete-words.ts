import type { Commands } from './command.ts'
import type { Action, CommandNode, Kind, OptionSpec } from './line/command-spec.ts'

/**
 * `greenroom __complete WORDS`: what the last word may become, a candidate a line with what it is behind a tab, and then a
 * line for kubectl, which reads the same form: `:4` means no file names, `:0` lets the shell offer them.
 */

interface Candidate {
  readonly word: string
  readonly help: string
}

interface Candidates {
  readonly found: readonly Candidate[]
  readonly files: boolean
}

const nothing: Candidates = { found: [], files: false }
const fileNames: Candidates = { found: [], files: true }

export async function completeWords(commands: Commands, words: readonly string[]): Promise<string> {
  const prefix = words.at(-1) ?? ''
  const { found, files } = await candidatesFor(commands, words.slice(0, -1), prefix)
  const lines = found
    .filter(({ word }) => word.startsWith(prefix))
    .map(({ word, help }) => `${word}\t${help}`)
  return [...lines, files ? ':0' : ':4'].join('\n')
}

async function candidatesFor(
  commands: Commands,
  before: readonly string[],
  prefix: string,
): Promise<Candidates> {
  const [name, ...rest] = before
  if (name === undefined) return listed(commands)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  const program = await command?.load()
  // A command that reads its arguments itself tells no words.
  if (program?.kind === undefined) return nothing
  return below(program, rest, prefix)
}

function below(
  node: CommandNode,
  words: readonly string[],
  prefix: string,
): Candidates | Promise<Candidates> {
  if (node.kind === 'action') return ofAction(node, words, prefix)
  const [word, ...rest] = words
  const { otherwise } = node
  const next = word !== undefined && Object.hasOwn(node.actions, word) ? node.actions[word] : undefined
  if (next) return below(next, rest, prefix)
  const meant = otherwise === undefined ? undefined : node.actions[otherwise]
  const isOption = word?.startsWith('-') === true || prefix.startsWith('-')
  if (isOption && meant) return below(meant, words, prefix)
  return word === undefined ? listed(node.actions) : nothing
}

async function ofAction(node: Action, words: readonly string[], prefix: string): Promise<Candidates> {
  // Behind -- stands another program.
  if (words.includes('--')) return fileNames
  const last = words.at(-1)
  const pending = last === undefined ? undefined : optionOf(node, last)
  if (pending?.type === 'string' && last?.includes('=') !== true) return valuesOf(pending)
  if (prefix.startsWith('-')) return listed(dashed(node))
  const argument = node.arguments[positionals(node, words)]
  if (argument?.words)
    return { found: argument.words.map((word) => ({ word, help: argument.help })), files: false }
  return argument?.kind === undefined ? nothing : namesOf(argument.kind)
}

function listed(entries: Readonly<Record<string, { readonly summary: string }>>): Candidates {
  const found = Object.entries(entries).map(([word, { summary: help }]) => ({ word, help }))
  return { found, files: false }
}

function dashed({ options }: Action): Readonly<Record<string, { readonly summary: string }>> {
  const own = Object.entries(options).map(([name, { help }]) => [`--${name}`, { summary: help }] as const)
  return Object.fromEntries([...own, ['--help', { summary: 'how it is used' }]])
}

function optionOf({ options }: Action, word: string): OptionSpec | undefined {
  const [, long, short] = /^(?:--([^=]+)|-(\w))/.exec(word) ?? []
  if (long !== undefined) return Object.hasOwn(options, long) ? options[long] : undefined
  return Object.values(options).find((option) => short !== undefined && option.short === short)
}

function valuesOf({ words, value, help }: OptionSpec): Candidates {
  if (words) return { found: words.map((word) => ({ word, help: '' })), files: false }
  const forms = value === 'FORM' ? ['table', 'wide', 'json', 'yaml', 'name', 'jsonpath='] : []
  return value === 'FILE' ? fileNames : { found: forms.map((word) => ({ word, help })), files: false }
}

/** How many words are no options and no values of options. */
function positionals(node: Action, words: readonly string[]): number {
  return words.filter((word, index) => {
    const before = words[index - 1]
    const isValue = before !== undefined && optionOf(node, before)?.type === 'string' && !before.includes('=')
    return !word.startsWith('-') && !isValue
  }).length
}

async function namesOf(kind: Kind): Promise<Candidates> {
  if (kind === 'file') return fileNames
  // Without a server, or without one that answers soon, there are no names.
  const { namesOnServer } = await import('./reach/names-on-server.ts')
  const names = await namesOnServer(kind).catch(() => [])
  return { found: names.map(({ name, help }) => ({ word: name, help })), files: false }
}
