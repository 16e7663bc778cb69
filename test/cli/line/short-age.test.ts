import t from 'tap'
import { shortAge } from '../../../src/cli/line/short-age.ts'

void t.test('as kubectl writes it', (t) => {
  const now = Date.UTC(2026, 0, 20)
  const at = (seconds: number) => shortAge(new Date(now - seconds * 1_000).toISOString(), now)
  for (const [seconds, text] of [
    [-5, '0s'],
    [119, '119s'],
    [120, '2m'],
    [330, '5m30s'],
    [660, '11m'],
    [3 * 3_600 + 120, '3h2m'],
    [12 * 86_400 + 3_600, '12d'],
  ] as const)
    t.equal(at(seconds), text)
  t.same([shortAge(undefined), shortAge('never')], ['-', '-'])
  t.end()
})
