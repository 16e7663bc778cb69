import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../bed/repository.ts'
import { sessionTransitions } from '../src/domain/session.ts'
import { slotTransitions } from '../src/domain/slot.ts'

/** docs/claims.md promises a test for each way a claim can go wrong: they have to be there, by file and title. */

const page = await readFile(join(root, 'docs/claims.md'), 'utf8')
const columns = '| window | what is left behind | what heals it | within | test |'
const namedTest = /`(test\/[\w./-]+\.test\.ts)`: "([^"]+)"/g

/** The rows of every table of windows, as cells. */
function windows(): readonly (readonly string[])[] {
  const rows: string[][] = []
  let inTable = false
  for (const line of page.split('\n')) {
    if (line === columns) inTable = true
    else if (!line.startsWith('|')) inTable = false
    else if (inTable && !line.startsWith('|---'))
      rows.push(
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      )
  }
  return rows
}

/** Whether the source has a test of this title: quoted, or made from a template. */
function hasTest(source: string, title: string): boolean {
  if (source.includes(`'${title}'`) || source.includes(`"${title}"`)) return true
  const templates = source.matchAll(/test\(\s*`([^`]+)`/g)
  return [...templates].some(([, template = '']) => {
    const parts = template
      .split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/)
      .map((part) => part.replace(/[.*+?^$()[\]{}|\\]/g, '\\$&'))
    return parts.length > 1 && new RegExp(`^${parts.join('.+')}$`).test(title)
  })
}

void t.test(
  'every window says what is left, what heals it, within what bound, and names a test',
  async (t) => {
    const rows = windows()
    t.ok(rows.length > 40, `${rows.length} windows`)
    for (const row of rows) {
      t.equal(row.length, 5, row[0] ?? '')
      t.notOk(
        row.some((cell) => cell === ''),
        `${row[0]}: no empty cell`,
      )
      t.ok([...(row[4] ?? '').matchAll(namedTest)].length > 0, `${row[0]}: names a test`)
    }
    t.equal(new Set(rows.map(([window]) => window)).size, rows.length, 'each window once')
  },
)

void t.test('every test that the page names exists', async (t) => {
  const sources = new Map<string, string>()
  for (const [, file = '', title = ''] of page.matchAll(namedTest)) {
    const source = sources.get(file) ?? (await readFile(join(root, file), 'utf8').catch(() => ''))
    sources.set(file, source)
    t.ok(hasTest(source, title), `${file}: ${title}`)
  }
  t.ok(sources.size > 10)
})

void t.test('a title that no test has is not found', async (t) => {
  const source = "void t.test('one', f); t.test(`killed between ${between}: it lapses`, f)"
  t.ok(hasTest(source, 'one'))
  t.ok(hasTest(source, 'killed between a and b: it lapses'))
  t.notOk(hasTest(source, 'two'))
  t.notOk(hasTest(source, 'killed between a and b: it stays'))
})

void t.test('the page speaks of every state', async (t) => {
  for (const state of [...Object.keys(slotTransitions), ...Object.keys(sessionTransitions)])
    t.match(page, state)
})
