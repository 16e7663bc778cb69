import t from 'tap'
import { textDiff } from '../../src/domain/text-diff.ts'

const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `line ${from + n}`)

void t.test('one hunk with three lines around it', async (t) => {
  const before = [...lines(1, 10), 'min: 1', 'same', 'max: 2', ...lines(11, 20)].join('\n')
  const after = before.replace('min: 1', 'min: 3').replace('max: 2', 'max: 5')
  t.equal(
    textDiff(before, after),
    '@@ -8,9 +8,9 @@\n line 8\n line 9\n line 10\n-min: 1\n+min: 3\n same\n-max: 2\n+max: 5\n line 11\n line 12\n line 13\n',
  )
})

void t.test('a line that is new, at the begin and at the end', async (t) => {
  t.equal(textDiff('a\nb', 'x\na\nb'), '@@ -1,2 +1,3 @@\n+x\n a\n b\n')
  t.equal(textDiff('a\nb', 'a\nb\nx'), '@@ -1,2 +1,3 @@\n a\n b\n+x\n')
  t.equal(textDiff('a', 'a'), '')
})

void t.test('a text that is another one altogether', async (t) => {
  const before = lines(1, 1_000).join('\n')
  const after = lines(2_001, 3_000).join('\n')
  t.equal(textDiff(before, after).split('\n').length, 2_002)
})
