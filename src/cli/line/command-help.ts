import type { Action, ActionGroup, CommandNode, OptionSpec } from './command-spec.ts'
import { type ExitCode, exitCodeMeanings } from './exit-code.ts'
import { fillParagraph } from './fill-paragraph.ts'
import { programName } from './program-name.ts'
import { formOptions, serverOptions, watchOptions } from './shared-options.ts'

/** Text that is wider is hard to read; the page of the command line has this width as well. */
const widest = 100
const narrowest = 40

interface Entry {
  readonly name: string
  readonly text: string
}

interface HelpOptions {
  /** Of the terminal. */
  readonly columns?: number | undefined
  /** Without the options that many commands share; a page tells them once. */
  readonly brief?: boolean
}

/** Help of one command or action: what it does, how it is used, its parts, its examples, its exit codes. */
export function commandHelp(
  path: readonly string[],
  node: CommandNode,
  { columns, brief = false }: HelpOptions = {},
): string {
  const width = Math.max(narrowest, Math.min(columns ?? widest, widest))
  const fill = (text: string) =>
    text
      .split('\n')
      .map((line) => fillParagraph(line, width))
      .join('\n')
  const parts = node.kind === 'group' ? groupParts(node, width) : actionParts(node, { width, brief })
  const examples = (node.examples ?? []).map(
    ({ line, does }) =>
      `  # ${fillParagraph(does, width - 4, 4)}\n  ${line.replace(/^greenroom/, programName())}`,
  )
  return [
    fill(`${node.summary}.`),
    ...(node.about === undefined ? [] : [fill(node.about)]),
    `Usage: ${usageLine(path, node)}`,
    ...parts,
    ...(examples.length > 0 ? [`Examples:\n${examples.join('\n')}`] : []),
  ].join('\n\n')
}

function usageLine(path: readonly string[], node: CommandNode): string {
  const head = [programName(), ...path]
  if (node.kind === 'group')
    return [...head, node.otherwise === undefined ? 'ACTION' : '[ACTION]', '[ARGUMENTS]'].join(' ')
  const words = node.arguments.map(({ name, optional }) => (optional ? `[${name}]` : name))
  const options = Object.keys(node.options).length > 0 ? ['[OPTIONS]'] : []
  return [...head, ...words, ...options, ...(node.tail === undefined ? [] : [`-- ${node.tail}`])].join(' ')
}

function groupParts({ actions, otherwise }: ActionGroup, width: number): string[] {
  const entries = Object.entries(actions).map(([name, { summary }]) => ({
    name,
    text: name === otherwise ? `${summary} (the default)` : summary,
  }))
  return [listed('Actions:', entries, width), fillParagraph('Each has a --help of its own.', width)]
}

const shared = new Set<OptionSpec>(Object.values({ ...serverOptions, ...formOptions, ...watchOptions }))

function actionParts(
  { arguments: words, options, exits }: Action,
  { width, brief }: { readonly width: number; readonly brief: boolean },
): string[] {
  const wordEntries = words.map(({ name, help }) => ({ name, text: help }))
  const shown = Object.entries(options).filter(([, spec]) => !brief || !shared.has(spec))
  const optionEntries = shown.map(([name, spec]) => optionEntry(name, spec))
  const codes = Object.entries(exits).map(([code, text]) => ({ name: code, text }))
  return [
    ...(wordEntries.length > 0 ? [listed('Arguments:', wordEntries, width)] : []),
    ...(optionEntries.length > 0 ? [listed('Options:', optionEntries, width)] : []),
    ...(codes.length > 0 ? [listed('Exit code:', codes, width)] : []),
  ]
}

function optionEntry(
  name: string,
  { short, value, help, default: fallback, multiple, words }: OptionSpec,
): Entry {
  const letter = short === undefined ? '    ' : `-${short}, `
  const notes = [
    ...(words === undefined ? [] : [words.join(', ')]),
    ...(multiple === true ? ['may be repeated'] : []),
    ...(typeof fallback === 'string' ? [`default: ${fallback}`] : []),
  ]
  return {
    name: `${letter}--${name}${value === undefined ? '' : ` ${value}`}`,
    text: notes.length === 0 ? help : `${help} (${notes.join('; ')})`,
  }
}

/** Names on the left, texts on the right; on a narrow terminal each text stands below its name. */
export function listed(title: string, entries: readonly Entry[], width: number): string {
  const longest = Math.max(...entries.map(({ name }) => name.length))
  const indent = longest + 4
  const isNarrow = width - indent < 30
  const lines = entries.map(({ name, text }) =>
    isNarrow
      ? `  ${name}\n      ${fillParagraph(text, width - 6, 0).replaceAll('\n', '\n      ')}`
      : `  ${name.padEnd(longest)}  ${fillParagraph(text, width - indent, 0).replaceAll('\n', `\n${' '.repeat(indent)}`)}`,
  )
  return [title, ...lines].join('\n')
}

/** The codes that mean the same in every command. */
export function exitCodeTable(width: number): string {
  const codes = Object.keys(exitCodeMeanings).map(Number) as ExitCode[]
  return listed(
    'Exit code:',
    codes.map((code) => ({ name: String(code), text: exitCodeMeanings[code] })),
    width,
  )
}
