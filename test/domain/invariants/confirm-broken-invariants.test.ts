import t from 'tap'
import type { BrokenInvariant, InvariantKind } from '../../../src/domain/invariants/broken-invariant.ts'
import {
  confirmBrokenInvariants,
  type SeenSince,
} from '../../../src/domain/invariants/confirm-broken-invariants.ts'
import { seenForMs } from '../../../src/domain/invariants/invariant-limits.ts'

const broken = (kind: InvariantKind, subject = 'x'): BrokenInvariant => ({
  kind,
  subject,
  detail: 'It is so.',
})

void t.test(
  'what one store proves counts at the first look, what several must agree on does not',
  async (t) => {
    for (const [kind, neededMs] of Object.entries(seenForMs)) {
      const { confirmed, suspected } = confirmBrokenInvariants(new Map(), {
        found: [broken(kind as InvariantKind)],
        atMs: 5,
      })
      t.equal(confirmed.length, neededMs === 0 ? 1 : 0, kind)
      t.equal(suspected.length, neededMs === 0 ? 0 : 1, kind)
    }
  },
)

void t.test('a finding counts once it was there for its time at every look', async (t) => {
  let seenSince: SeenSince = new Map()
  const look = (atMs: number, subjects: readonly string[]) => {
    const found = subjects.map((subject) => broken('index-entry-without-pod', subject))
    const watched = confirmBrokenInvariants(seenSince, { found, atMs })
    seenSince = watched.seenSince
    return watched.confirmed.map(({ subject }) => subject)
  }
  t.same(look(0, ['a', 'b']), [])
  t.same(look(7_999, ['a']), [], 'one look short')
  t.same(look(8_000, ['a', 'b']), ['a'], 'b was missing in between')
  t.same(look(15_999, ['a', 'b']), ['a', 'b'].slice(0, 1))
  t.same(look(16_000, ['b']), ['b'])
  t.equal(seenSince.size, 1, 'what is gone is forgotten')
})

void t.test('a caller may be less patient, never more', async (t) => {
  const found = [broken('session-without-pod'), broken('pod-claimed-twice')]
  t.equal(confirmBrokenInvariants(new Map(), { found, atMs: 0, atMostMs: 0 }).confirmed.length, 2)
  const late = confirmBrokenInvariants(new Map([['session-without-pod x', 0]]), {
    found,
    atMs: 10_000,
    atMostMs: 60_000,
  })
  t.equal(late.confirmed.length, 2)
})
