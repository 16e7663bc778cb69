import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'

/** docs/source-documents.md names a place for each item of the five documents. */

const page = readFileSync(join(root, 'docs/source-documents.md'), 'utf8')
const rows = [...page.matchAll(/^\| (\d{3}-\d\d) \| .* \| \[([^\]]+)\]\(\.\.\/[^)]+\) \| `(.*)` \|$/gm)]

/** How many items each document has. */
const items = { '000': 42, '001': 38, '002': 33, '003': 39, '004': 28 }

void t.test('every item is there once, in order', async (t) => {
  const ids = Object.entries(items).flatMap(([document, count]) =>
    Array.from({ length: count }, (_, index) => `${document}-${String(index + 1).padStart(2, '0')}`),
  )
  t.strictSame(
    rows.map(([, id]) => id),
    ids,
  )
})

void t.test('each file has what the page says', async (t) => {
  for (const [, id = '', file = '', text = ''] of rows) {
    const path = join(root, file)
    t.ok(existsSync(path) && readFileSync(path, 'utf8').includes(text), `${id}: ${file} has ${text}`)
  }
})
