import t from 'tap'
import type { AuditEntry, AuditFact } from '../../src/domain/audit.ts'
import { createAuditTrail, mostWaiting } from '../../src/identity/audit-trail.ts'

const fact: AuditFact = {
  by: { kind: 'api-key', id: 'k' },
  projectId: 'a',
  action: 'session.open',
  subject: 's',
}

function start() {
  const written: AuditEntry[] = []
  let dropped = 0
  let failure: Error | undefined
  const trail = createAuditTrail({
    log: {
      async append(entries) {
        if (failure) throw failure
        written.push(...entries)
      },
    },
    onDropped: (count) => {
      dropped += count
    },
  })
  return {
    trail,
    written,
    dropped: () => dropped,
    fail: (error: Error | undefined) => void (failure = error),
  }
}

void t.test('what was noted is written at the next flush, in its order', async (t) => {
  const { trail, written } = start()
  for (let n = 0; n < 1_200; n += 1) trail.note({ ...fact, subject: String(n) })
  t.equal(written.length, 0, 'nothing waits for it')
  await Promise.all([trail.flush(), trail.flush()])
  t.same(
    new Set(written.map(({ subject }) => subject)),
    new Set(Array.from({ length: 1_200 }, (_, n) => String(n))),
  )
  t.equal(written.length, 1_200)
  t.equal(trail.waiting(), 0)
})

void t.test('while PostgreSQL is away entries wait, and what does not fit is counted', async (t) => {
  const { trail, written, dropped, fail } = start()
  fail(new Error('away'))
  for (let n = 0; n < mostWaiting + 7; n += 1) trail.note(fact)
  await t.rejects(trail.flush(), /away/)
  t.equal(trail.waiting(), mostWaiting)
  t.equal(dropped(), 7)
  fail(undefined)
  await trail.flush()
  t.equal(written.length, mostWaiting)
  t.equal(new Set(written.map(({ id }) => id)).size, mostWaiting)
})
