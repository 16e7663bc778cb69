import t from 'tap'
import { lineDiff } from '../../../src/cli/line/line-diff.ts'

void t.test('changed lines with two around them, and a mark where others are left out', (t) => {
  const before = Array.from({ length: 12 }, (_, index) => `line ${index}`)
  const after = before.with(2, 'other').toSpliced(10, 1)
  t.equal(
    lineDiff(before.join('\n'), after.join('\n')),
    '  line 0\n  line 1\n- line 2\n+ other\n  line 3\n  line 4\n  …\n  line 8\n  line 9\n- line 10\n  line 11',
  )
  t.equal(lineDiff('a\nb', 'a\nb'), '')
  t.equal(lineDiff('', 'a'), '- \n+ a')
  t.end()
})
