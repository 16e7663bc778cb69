import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'

/** docs/operate/million-sessions.md: what follows from its figures is what stands beside the formulas. */

const page = await readFile(join(root, 'docs/operate/million-sessions.md'), 'utf8')
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()))

/** `| `name` | what | value | source |`: a figure; `| `name` | `formula` | value | what |`: what follows. */
const figures = new Map<string, number>()
const formulas: { readonly name: string; readonly formula: string; readonly shown: string }[] = []
for (const [, name = '', second = '', value = ''] of rows) {
  const bare = name.replaceAll('`', '')
  if (second.startsWith('`')) formulas.push({ name: bare, formula: second.replaceAll('`', ''), shown: value })
  else figures.set(bare, numberOf(value))
}

function numberOf(text: string): number {
  return Number(text.replaceAll(',', ''))
}

/** Sums of products of names and numbers. */
function valueOf(formula: string): number {
  return formula
    .split(' + ')
    .map((product) => {
      const [first = '', ...rest] = product.split(/ (?=[*/] )/)
      return rest.reduce((value, part) => {
        const factor = termOf(part.slice(2))
        return part.startsWith('/') ? value / factor : value * factor
      }, termOf(first))
    })
    .reduce((a, b) => a + b, 0)
}

function termOf(word: string): number {
  const known = figures.get(word) ?? numberOf(word)
  if (Number.isNaN(known)) throw new Error(`the page does not say what ${word} is`)
  return known
}

void t.test('every formula gives the value beside it, as far as its digits go', (t) => {
  t.ok(figures.size > 8 && formulas.length > 8, 'the tables were found')
  for (const { name, formula, shown } of formulas) {
    const value = valueOf(formula)
    const digits = (shown.split('.')[1] ?? '').length
    t.equal(
      value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
      shown,
      `${name} = ${formula}`,
    )
    figures.set(name, value)
  }
  t.end()
})
