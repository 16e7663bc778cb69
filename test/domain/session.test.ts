import t from 'tap'
import {
  canSessionMove,
  endReason,
  extendsLease,
  isRetryableFailure,
  renewAfterMs,
  sessionStatuses,
} from '../../src/domain/session.ts'

void t.test('the transitions, all of them', async (t) => {
  const allowed = sessionStatuses.flatMap((from) =>
    sessionStatuses.filter((to) => canSessionMove(from, to)).map((to) => `${from} → ${to}`),
  )
  t.strictSame(allowed, [
    'PENDING → ACTIVE',
    'PENDING → ENDING',
    'PENDING → ENDED',
    'ACTIVE → ENDING',
    'ENDING → ENDED',
    'ENDED → PENDING',
  ])
})

void t.test('only an open that failed may be tried again under its key', async (t) => {
  const retryable = (activeAt: number | undefined) =>
    Object.values(endReason).filter((reason) => isRetryableFailure({ endReason: reason, activeAt }))
  t.strictSame(retryable(undefined), [
    endReason.deliveryFailed,
    endReason.poolEmpty,
    endReason.abandoned,
    endReason.batchFailed,
    endReason.agentNotJoined,
  ])
  t.strictSame(retryable(1), [], 'a caller was told of its pod: the session never changes it')
  t.notOk(isRetryableFailure({ endReason: undefined, activeAt: undefined }))
})

void t.test('end reasons are told apart', async (t) => {
  const reasons = Object.values(endReason)
  t.equal(new Set(reasons).size, reasons.length)
  for (const reason of reasons) t.match(reason, /^(ended|lapsed|pod|room|failed):[a-z-]+$/)
})

void t.test('whose renewal extends a lease', async (t) => {
  const table = (['caller', 'agent', 'both'] as const).flatMap((leaseHeldBy) =>
    (['PENDING', 'ACTIVE'] as const).flatMap((status) =>
      (['caller', 'agent'] as const)
        .filter((by) => extendsLease(by, { leaseHeldBy, status }))
        .map((by) => `${leaseHeldBy}, ${status}: ${by}`),
    ),
  )
  t.strictSame(table, [
    'caller, PENDING: caller',
    'caller, ACTIVE: caller',
    'agent, ACTIVE: agent',
    'both, PENDING: caller',
    'both, ACTIVE: caller',
    'both, ACTIVE: agent',
  ])
})

void t.test('two renewals may fail before the lease lapses', async (t) => {
  for (const leaseMs of [1, 2, 1_000, 10_000, 3_600_000]) {
    const after = renewAfterMs(leaseMs)
    t.ok(Number.isInteger(after) && after * 3 <= leaseMs, `${after} of ${leaseMs}`)
  }
})
