import t from 'tap'
import { viewTable } from '../../../src/cli/line/view-table.ts'

const columns = [
  { title: 'NAME', of: ({ name }: { name: string }) => name },
  { title: 'LENGTH', of: ({ name }: { name: string }) => String(name.length) },
  { title: 'MORE', of: () => 'x', wide: true },
]

void t.test('a table, and blocks of lines where it does not fit', (t) => {
  const rows = [{ name: 'short' }, { name: 'a-name-of-many-letters' }]
  t.equal(
    viewTable({ rows, columns }, { wide: false, width: 40 }),
    'NAME                    LENGTH\nshort                   5\na-name-of-many-letters  22',
  )
  t.equal(
    viewTable({ rows, columns }, { wide: true, width: 24 }),
    'NAME    short\nLENGTH  5\nMORE    x\n\nNAME    a-name-of-many-letters\nLENGTH  22\nMORE    x',
  )
  t.equal(
    viewTable({ rows: rows.slice(0, 1), columns }, { wide: false, heading: false, width: 0 }),
    'short  5',
  )
  t.end()
})

void t.test('what a terminal would obey is left out of cells', (t) => {
  const rows = [{ name: 'evil\u001b[2J\nrow\u0007\u009b1m' }]
  const table = viewTable({ rows, columns }, { wide: false, width: 0 })
  t.notMatch(table.replaceAll('\n', ''), /\p{Cc}/u)
  t.equal(table.split('\n').length, 2)
  t.end()
})
