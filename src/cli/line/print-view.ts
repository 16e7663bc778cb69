import { stringify } from 'yaml'
import { compileJsonPath } from './json-path.ts'
import type { FormValues } from './shared-options.ts'
import { type Column, viewTable } from './view-table.ts'
import { wrongArguments } from './wrong-arguments.ts'

/** What a command shows, in every form that it may be asked for. */
export interface View<T> {
  /** What JSON, YAML and a jsonpath see: the server's answer. */
  readonly document: unknown
  readonly rows: readonly T[]
  readonly columns: readonly Column<T>[]
  /** What `-o name` prints for a row: `pool/echo-agent`. */
  readonly nameOf: (row: T) => string
  /** A sentence for people, printed on stderr instead of an empty table. */
  readonly empty?: string
  /** Printed before and after the table. */
  readonly before?: string
  readonly after?: string
}

export type Form =
  | { readonly kind: 'table' | 'wide' | 'json' | 'yaml' | 'name' }
  | { readonly kind: 'jsonpath'; readonly show: (document: unknown) => string }

const plainForms = ['table', 'wide', 'json', 'yaml', 'name'] as const

/** @throws GreenroomError GRN_WRONG_ARGUMENTS for a form that there is not */
export function formOf({ output, json }: FormValues): Form {
  if (output === undefined) return { kind: json === true ? 'json' : 'table' }
  const [, template] = /^jsonpath=(.+)$/s.exec(output) ?? []
  if (template !== undefined) return { kind: 'jsonpath', show: compileJsonPath(template) }
  const kind = plainForms.find((form) => form === output)
  if (kind !== undefined) return { kind }
  throw wrongArguments(
    `-o is one of ${plainForms.join(', ')} and jsonpath=TEMPLATE, not "${output.slice(0, 40)}".`,
  )
}

export function printView<T>(view: View<T>, form: Form): void {
  const { document, rows, nameOf, empty, before, after } = view
  if (form.kind === 'json') print(JSON.stringify(document, undefined, 2))
  else if (form.kind === 'yaml') print(stringify(document, { lineWidth: 0 }).trimEnd())
  else if (form.kind === 'jsonpath') print(form.show(document))
  else if (form.kind === 'name') {
    if (rows.length > 0) print(rows.map(nameOf).join('\n'))
  } else {
    if (before !== undefined) print(before)
    if (rows.length > 0) print(viewTable(view, { wide: form.kind === 'wide' }))
    else if (empty !== undefined) process.stderr.write(`${empty}\n`)
    if (after !== undefined) print(after)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
