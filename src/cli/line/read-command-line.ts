import { parseArgs } from 'node:util'
import type { Action, CommandNode, Given, OptionSpecs } from './command-spec.ts'
import { nearestWord } from './nearest-word.ts'
import { programName } from './program-name.ts'
import { wrongArguments } from './wrong-arguments.ts'

export interface Found {
  /** The names that led to it: `pools rollout undo`. */
  readonly path: readonly string[]
  readonly node: CommandNode
  readonly args: readonly string[]
}

/** Follows the words that name actions. @throws GreenroomError GRN_WRONG_ARGUMENTS for a word that names none */
export function findNode(path: readonly string[], node: CommandNode, args: readonly string[]): Found {
  if (node.kind === 'action') return { path, node, args }
  const [word, ...rest] = args
  if (word === undefined || word.startsWith('-')) {
    const { otherwise } = node
    const meant = otherwise === undefined || asksForHelp(args) ? undefined : node.actions[otherwise]
    return meant && otherwise !== undefined
      ? { path: [...path, otherwise], node: meant, args }
      : { path, node, args }
  }
  const next = Object.hasOwn(node.actions, word) ? node.actions[word] : undefined
  if (next) return findNode([...path, word], next, rest)
  throw unknownWord(`"${[...path, word].join(' ').slice(0, 80)}"`, word, Object.keys(node.actions))
}

/** A word that names nothing, with the one that was probably meant. */
export function unknownWord(what: string, word: string, words: readonly string[]): Error {
  const meant = nearestWord(word, words)
  const hint = meant === undefined ? `There are: ${words.join(', ')}.` : `Did you mean "${meant}"?`
  return wrongArguments(`There is no ${what}. ${hint}`)
}

/** `--help` or `-h`, unless it stands behind `--` and belongs to another program. */
export function asksForHelp(args: readonly string[]): boolean {
  return beforeTail(args).some((arg) => arg === '--help' || arg === '-h')
}

function beforeTail(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--')
  return end === -1 ? args : args.slice(0, end)
}

/** Reads what is given to one action. @throws GreenroomError GRN_WRONG_ARGUMENTS with a sentence */
export function readArguments(
  path: readonly string[],
  node: Action,
  args: readonly string[],
): Given<OptionSpecs> {
  // A command that takes nothing but another command does without the --.
  const isBare = node.tail !== undefined && Object.keys(node.options).length === 0 && !args.includes('--')
  if (isBare) return { words: [], options: {}, tail: args }
  const own = node.tail === undefined ? args : beforeTail(args)
  const given = parsed(path, node, own)
  const { arguments: wanted } = node
  const missing = wanted.find(({ optional }, index) => !optional && given.positionals[index] === undefined)
  if (missing) throw wrongArguments(`The ${missing.name} is missing: ${see(path)}`)
  const extra = given.positionals.slice(wanted.length)
  if (extra.length > 0) throw wrongArguments(`"${extra.join(' ').slice(0, 80)}" is too much: ${see(path)}`)
  wanted.forEach(({ name, words }, index) => checkWord(name, given.positionals[index], words))
  for (const [name, { words }] of Object.entries(node.options)) {
    const value = given.values[name]
    for (const one of Array.isArray(value) ? value : [value])
      checkWord(`--${name}`, typeof one === 'string' ? one : undefined, words)
  }
  return { words: given.positionals, options: given.values, tail: args.slice(own.length + 1) }
}

function checkWord(name: string, word: string | undefined, words: readonly string[] | undefined): void {
  if (word === undefined || words === undefined || words.includes(word)) return
  throw wrongArguments(`${name} is one of ${words.join(', ')}, not "${word.slice(0, 40)}".`)
}

function parsed(path: readonly string[], { options }: Action, args: readonly string[]) {
  try {
    // kubectl takes -o=json as well, which parseArgs reads as the value "=json".
    const words = args.flatMap((arg) => /^(-\w)=(.*)$/s.exec(arg)?.slice(1) ?? [arg])
    return parseArgs({ args: words, options, allowPositionals: true })
  } catch (error) {
    const [problem = ''] = (error as Error).message.split('. To specify a positional')
    const [, unknown = ''] = /^Unknown option '--?([^']*)'/.exec(problem) ?? []
    const meant = unknown === '' ? undefined : nearestWord(unknown, Object.keys(options))
    const hint = meant === undefined ? '' : ` Did you mean --${meant}?`
    throw wrongArguments(`${problem.replaceAll('\n', ' ')}.${hint} ${see(path)}`)
  }
}

function see(path: readonly string[]): string {
  return `"${[programName(), ...path].join(' ')} --help" shows how it is used.`
}
