import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'

/** docs/source-documents.md names a place and a test for each item of the five documents. */

const page = readFileSync(join(root, 'docs/source-documents.md'), 'utf8')
const pattern =
  /^\| (\d{3}-\d\d) \| .* \| \[([^\]]+)\]\(\.\.\/[^)]+\) \| `(.*)` \| \[[^\]]+\]\(\.\.\/([^)]+)\) \| `(.*)` \|$/gm
const rows = [...page.matchAll(pattern)].map(([, id = '', file = '', text = '', test = '', says = '']) => ({
  id,
  file,
  text,
  test,
  says,
}))

/** How many items each document has. */
const items = { '000': 42, '001': 38, '002': 33, '003': 39, '004': 28 }
/** Tables whose rows name their item; the test or scenario beside it runs each of them. */
const tables: Record<string, string> = {
  'test/cluster-run/document-commands': 'test/cluster-run/scenarios',
  'test/examples/document-values': 'test/examples/document-values.test.ts',
}

const read = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '')

void t.test('every item is there once, in order', async (t) => {
  const ids = Object.entries(items).flatMap(([document, count]) =>
    Array.from({ length: count }, (_, index) => `${document}-${String(index + 1).padStart(2, '0')}`),
  )
  t.strictSame(
    rows.map(({ id }) => id),
    ids,
  )
})

void t.test('each file has what the page says', async (t) => {
  for (const { id, file, text } of rows)
    t.ok(existsSync(join(root, file)) && read(file).includes(text), `${id}: ${file} has ${text}`)
})

void t.test('each test is there, and is run', async (t) => {
  const scenarios = read('test/cluster-run/e2e.ts')
  for (const { id, test, says } of rows) {
    const folder = Object.keys(tables).find((folder) => test.startsWith(`${folder}/`))
    t.ok(read(test).includes(folder ? `item: '${says}'` : says), `${id}: ${test} has ${says}`)
    if (folder) {
      const scenario = join(tables[folder] ?? '', `example-${basename(test)}`)
      const runner = tables[folder]?.endsWith('.test.ts') ? tables[folder] : scenario
      t.ok(read(runner).includes(`${basename(folder)}/${basename(test)}`), `${id}: ${runner} takes ${test}`)
    } else if (test.includes('/scenarios/')) {
      t.ok(scenarios.includes(`./scenarios/${basename(test)}`), `${id}: npm run e2e runs ${test}`)
    } else {
      t.match(test, /\.test\.ts$/, id)
    }
  }
})

void t.test('an item that a table has is not said to be tested elsewhere', async (t) => {
  const files = rows
    .map(({ test }) => test)
    .filter((test) => Object.keys(tables).some((folder) => test.startsWith(folder)))
  const inTables = new Set(
    [...new Set(files)].flatMap((file) =>
      [...read(file).matchAll(/item: '(\d{3}-\d\d)'/g)].map(([, id]) => id),
    ),
  )
  for (const { id, says } of rows) if (inTables.has(id)) t.equal(says, id)
})
