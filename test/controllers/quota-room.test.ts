import t from 'tap'
import { hasMoreRoom } from '../../src/controllers/quota-room.ts'
import type { Quota } from '../../src/domain/quota.ts'

function quota(hard: Record<string, string>, used: Record<string, string>): Quota {
  return { name: 'q', hard, enforced: { hard, used }, scopes: [] }
}

const full = quota({ pods: '3', 'limits.cpu': '1' }, { pods: '3', 'limits.cpu': '750m' })

void t.test('whether a change of a quota may let a create pass', (t) => {
  const table: readonly (readonly [string, Quota | undefined, Quota | undefined, boolean])[] = [
    ['a pod went', full, quota({ pods: '3', 'limits.cpu': '1' }, { pods: '2', 'limits.cpu': '750m' }), true],
    [
      'the same in another notation',
      full,
      quota({ pods: '3', 'limits.cpu': '1000m' }, { pods: '3', 'limits.cpu': '0.75' }),
      false,
    ],
    ['raised', full, quota({ pods: '4', 'limits.cpu': '1' }, { pods: '3', 'limits.cpu': '750m' }), true],
    ['a pod came', full, quota({ pods: '3', 'limits.cpu': '1' }, { pods: '3', 'limits.cpu': '1' }), false],
    ['a resource is bound no more', full, quota({ 'limits.cpu': '1' }, { 'limits.cpu': '750m' }), true],
    ['deleted', full, undefined, true],
    ['new', undefined, full, false],
  ]
  for (const [what, before, after, expected] of table) t.equal(hasMoreRoom(before, after), expected, what)
  t.end()
})
