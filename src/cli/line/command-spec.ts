import type { ParseArgsOptionDescriptor, parseArgs } from 'node:util'

/**
 * What a command is, declared once: the arguments are read by it, and help, completion and docs/cli.md are made from it
 * (ADR 41). The values of its options have the types that node's parseArgs gives them.
 */

export interface OptionSpec extends ParseArgsOptionDescriptor {
  readonly type: 'string' | 'boolean'
  readonly help: string
  /** What the value is called in the help; of strings only. */
  readonly value?: string
  /** The values that there are; of strings only. */
  readonly words?: readonly string[]
}
export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export type OptionValues<O extends OptionSpecs> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true }>
>['values']

/** What a word names, so that completion can ask the server for candidates. */
export type Kind = 'pool' | 'session' | 'project' | 'file'

export interface ArgumentSpec {
  readonly name: string
  readonly help: string
  readonly kind?: Kind
  readonly optional?: boolean
  readonly words?: readonly string[]
}

export interface Example {
  readonly line: string
  readonly does: string
}

interface Described {
  readonly summary: string
  /** Whole sentences, below the summary. */
  readonly about?: string
  readonly examples?: readonly Example[]
}

export interface Given<O extends OptionSpecs> {
  readonly words: readonly string[]
  readonly options: OptionValues<O>
  /** What stands behind `--`, for a command that starts another. */
  readonly tail: readonly string[]
}

interface ActionSpec<O extends OptionSpecs> extends Described {
  readonly arguments?: readonly ArgumentSpec[]
  readonly options: O
  /** What stands behind `--`: such as COMMAND [ARGUMENTS]. */
  readonly tail?: string
  /** What exit codes mean here, beside those that mean the same everywhere. */
  readonly exits?: Readonly<Record<number, string>>
  readonly run: (given: Given<O>) => Promise<number | void>
}

/** An action whose options have been forgotten by the compiler. */
export interface Action extends Described {
  readonly kind: 'action'
  readonly arguments: readonly ArgumentSpec[]
  readonly options: OptionSpecs
  readonly tail: string | undefined
  readonly exits: Readonly<Record<number, string>>
  readonly run: (given: Given<OptionSpecs>) => Promise<number | void>
}

export interface ActionGroup extends Described {
  readonly kind: 'group'
  readonly actions: Readonly<Record<string, CommandNode>>
  /** The action that is meant when none is named. */
  readonly otherwise?: string
}

export type CommandNode = Action | ActionGroup

export function action<O extends OptionSpecs>(spec: ActionSpec<O>): Action {
  const { arguments: words = [], tail, exits = {}, run } = spec
  return {
    ...spec,
    kind: 'action',
    arguments: words,
    tail,
    exits,
    // The values were read by these very options.
    run: (given) => run(given as Given<O>),
  }
}

export function actionGroup(spec: Omit<ActionGroup, 'kind'>): ActionGroup {
  return { ...spec, kind: 'group' }
}
