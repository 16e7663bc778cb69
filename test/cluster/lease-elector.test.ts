import { type V1Lease, V1MicroTime } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'
import { createLeaseElector, type LeaseElector } from '../../src/cluster/lease-elector.ts'
import { createLogLines } from './log-lines.ts'

type LeaseClient = Parameters<typeof createLeaseElector>[0]['clients']['coordination']

/** Of one client. */
interface Cable {
  fault: 'none' | 'hang' | 'fail' | 'hang-replies'
}

/** One Lease with compare-and-set, as the API server keeps it; each client's cable can be pulled. */
function createLeaseStore() {
  let version = 0
  let lease: V1Lease | undefined
  const write = (body: V1Lease): V1Lease => {
    version += 1
    lease = structuredClone(body)
    lease.metadata = Object.assign({}, lease.metadata, { resourceVersion: String(version) })
    return structuredClone(lease)
  }
  const missing = () => new KubeApiError('not found', { status: 404 })
  const conflict = () => new KubeApiError('conflict', { status: 409 })
  const client = (cable: Cable): LeaseClient => {
    const call = async (effect: () => V1Lease): Promise<V1Lease> => {
      await new Promise((resolve) => setImmediate(resolve))
      if (cable.fault === 'fail') throw new KubeApiError('the API server cannot be reached')
      if (cable.fault === 'hang') return await new Promise<never>(() => undefined)
      const answer = effect()
      if (cable.fault === 'hang-replies') return await new Promise<never>(() => undefined)
      return answer
    }
    return {
      readNamespacedLease: () =>
        call(() => {
          if (!lease) throw missing()
          return structuredClone(lease)
        }),
      createNamespacedLease: ({ body }: { body: V1Lease }) =>
        call(() => {
          if (lease) throw conflict()
          return write(body)
        }),
      replaceNamespacedLease: ({ body }: { body: V1Lease }) =>
        call(() => {
          if (body.metadata?.resourceVersion !== lease?.metadata?.resourceVersion) throw conflict()
          return write(body)
        }),
    }
  }
  return { client, lease: () => lease, write }
}

/** The wire knows whole seconds, so one second is the shortest lease. */
const timing = { leaseMs: 1_000, renewDeadlineMs: 500, retryMs: 40 }

interface Contender {
  readonly elector: LeaseElector
  readonly cable: Cable
  readonly terms: AbortSignal[]
}

function contend(
  test: Test,
  store: ReturnType<typeof createLeaseStore>,
  identity: string,
  onLeading: (signal: AbortSignal) => void | Promise<void> = () => undefined,
): Contender {
  const cable: Cable = { fault: 'none' }
  const terms: AbortSignal[] = []
  const elector = createLeaseElector({
    clients: { coordination: store.client(cable) },
    namespace: 'n',
    name: 'controller',
    identity,
    timing,
    logger: createLogLines().logger,
    onLeading: (signal) => {
      terms.push(signal)
      return onLeading(signal)
    },
  })
  elector.start()
  test.teardown(() => {
    cable.fault = 'fail'
    return elector.stop()
  })
  return { elector, cable, terms }
}

void t.test('one leads, the others know it; the record is what kubectl shows', async (t) => {
  const store = createLeaseStore()
  const a = contend(t, store, 'a')
  await until('a leads', () => a.elector.leading())
  const b = contend(t, store, 'b')
  await until('b knows', () => b.elector.holder() === 'a')
  const renewed = store.lease()?.metadata?.resourceVersion
  await until('renewals', () => Number(store.lease()?.metadata?.resourceVersion) > Number(renewed) + 2)
  t.equal(b.terms.length, 0)
  t.match(store.lease()?.spec, { holderIdentity: 'a', leaseDurationSeconds: 1, leaseTransitions: 0 })
  t.notSame(store.lease()?.spec?.renewTime, store.lease()?.spec?.acquireTime)
})

for (const fault of ['hang', 'fail', 'hang-replies'] as const) {
  void t.test(
    `a leader that cannot renew (${fault}) gives up at the deadline, before another takes over`,
    async (t) => {
      const store = createLeaseStore()
      const a = contend(t, store, 'a')
      await until('a leads', () => a.elector.leading())
      const b = contend(t, store, 'b', () => {
        t.equal(a.elector.leading(), false)
        t.equal(a.terms[0]?.aborted, true)
      })
      let isOverdue = false
      let gaveUpInTime = false
      a.terms[0]?.addEventListener('abort', () => {
        gaveUpInTime = !isOverdue
      })
      // A timer of the same event loop: when the host stalls, both are late, and their order still tells.
      const overdue = setTimeout(() => {
        isOverdue = true
      }, timing.renewDeadlineMs + 60)
      t.teardown(() => clearTimeout(overdue))
      a.cable.fault = fault
      await until('a gave up', () => a.terms[0]?.aborted === true)
      t.ok(gaveUpInTime)
      await until('b leads', () => b.elector.leading())
      a.cable.fault = 'none'
      await until('a follows', () => a.elector.holder() === 'b')
      t.equal(a.terms.length, 1)
    },
  )
}

void t.test('a leader whose record was taken steps down at its next renewal', async (t) => {
  const store = createLeaseStore()
  const a = contend(t, store, 'a')
  await until('a leads', () => a.elector.leading())
  store.write({ spec: { holderIdentity: 'thief', leaseDurationSeconds: 1 } })
  const startedAt = performance.now()
  await until('a stepped down', () => a.terms[0]?.aborted === true)
  t.ok(performance.now() - startedAt < timing.renewDeadlineMs)
  t.equal(a.elector.holder(), 'thief')
})

void t.test('the clock of another machine decides nothing', async (t) => {
  const store = createLeaseStore()
  const longAgo = new V1MicroTime(0)
  store.write({
    spec: { holderIdentity: 'other', leaseDurationSeconds: 1, renewTime: longAgo, acquireTime: longAgo },
  })
  const startedAt = performance.now()
  const a = contend(t, store, 'a')
  await until('a leads', () => a.elector.leading())
  t.ok(performance.now() - startedAt >= 1_000, 'it waited a whole lease of its own clock')
})

void t.test('it does not lead again before its work has settled', async (t) => {
  const store = createLeaseStore()
  const work = Promise.withResolvers<void>()
  const a = contend(t, store, 'a', () => work.promise)
  await until('a leads', () => a.elector.leading())
  a.cable.fault = 'fail'
  await until('a gave up', () => a.terms[0]?.aborted === true)
  a.cable.fault = 'none'
  const b = contend(t, store, 'b')
  await until('b leads', () => b.elector.leading())
  await b.elector.stop()
  t.equal(store.lease()?.spec?.holderIdentity, '')
  t.equal(a.terms.length, 1)
  work.resolve()
  await until('a leads again', () => a.terms.length === 2)
  t.pass('after its work settled')
})

void t.test('a leader whose work fails frees the lease', async (t) => {
  const store = createLeaseStore()
  let broken = true
  const a = contend(t, store, 'a', () => {
    if (broken) throw new Error('work broke')
  })
  await until('released', () => store.lease()?.spec?.holderIdentity === '')
  t.equal(a.terms[0]?.aborted, true)
  broken = false
  await until('it may lead again', () => a.elector.leading() && a.terms.at(-1)?.aborted === false)
  t.ok(a.terms.length >= 2)
})

void t.test('stop waits for the work, then frees the lease', async (t) => {
  const store = createLeaseStore()
  const order: string[] = []
  const a = contend(t, store, 'a', (signal) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () =>
      setTimeout(() => {
        order.push(`settled while the lease is ${store.lease()?.spec?.holderIdentity}'s`)
        resolve()
      }, 30),
    )
    return promise
  })
  await until('a leads', () => a.elector.leading())
  await a.elector.stop()
  t.same(order, ["settled while the lease is a's"])
  t.equal(store.lease()?.spec?.holderIdentity, '')
})

void t.test('faults at random: never two leaders', async (t) => {
  const store = createLeaseStore()
  const contenders: Contender[] = []
  let changes = 0
  for (const identity of ['a', 'b', 'c']) {
    contenders.push(
      contend(t, store, identity, (signal) => {
        changes += 1
        const believers = contenders.filter(({ elector }) => elector.leading()).length
        t.equal(believers, 1, `${identity} leads alone`)
        const others = contenders.flatMap(({ terms }) => terms).filter((term) => term !== signal)
        t.ok(
          others.every((term) => term.aborted),
          'every other term is over',
        )
      }),
    )
  }
  const faults = ['none', 'hang', 'fail', 'hang-replies'] as const
  const chaos = setInterval(() => {
    const { cable } = contenders[Math.floor(Math.random() * 3)] as Contender
    cable.fault = faults[Math.floor(Math.random() * faults.length)] ?? 'none'
  }, 150)
  t.teardown(() => clearInterval(chaos))
  await until('leaders changed five times', () => changes >= 5, 60_000)
})
