import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createLeaseElector } from '../../src/cluster/lease-elector.ts'
import { createLogLines } from '../cluster/log-lines.ts'
import { startClusterBed } from './cluster-bed.ts'

/** Electors on a Lease of the real API server: one that loses its connection, and one whose process is stopped. */

const { plane, access, clients, namespace } = await startClusterBed(t, 'lease-election')
const timing = { leaseMs: 2_000, renewDeadlineMs: 1_200, retryMs: 150 }

void t.test('election: release hands over at once, a crash after the lease', async (t) => {
  const { logger } = createLogLines()
  const leaders = new Set<string>()
  const ends = new Map<string, () => void>()
  let both = false
  const elector = (identity: string, by = clients) =>
    createLeaseElector({
      clients: by,
      namespace,
      name: 'controller',
      identity,
      timing,
      logger,
      onLeading: (signal) => {
        leaders.add(identity)
        both ||= leaders.size > 1
        signal.addEventListener('abort', () => {
          leaders.delete(identity)
          ends.get(identity)?.()
        })
      },
    })
  // `a` talks to the API server through a cable that can be pulled.
  const proxy = await startTcpProxy({ port: Number(new URL(plane.server).port) })
  const server = `https://${proxy.host}:${proxy.port}`
  const behindProxy = createKubeClients({ access: { ...access, server } })
  const a = elector('a', behindProxy)
  const b = elector('b')
  t.teardown(async () => {
    await Promise.all([a.stop(), b.stop()])
    behindProxy.close()
    await proxy.stop()
  })

  a.start()
  await until('a leads', () => a.leading())
  b.start()
  await until('b knows', () => b.holder() === 'a')
  t.same([...leaders], ['a'])

  proxy.set('half-open')
  const pulledAt = performance.now()
  let isOverdue = false
  // A timer of the same event loop: when the host stalls, both are late, and the order of the two still tells.
  const overdue = setTimeout(() => {
    isOverdue = true
  }, timing.renewDeadlineMs + 100)
  let gaveUpInTime = false
  ends.set('a', () => {
    gaveUpInTime = !isOverdue
  })
  await until('a gave up', () => !leaders.has('a'))
  clearTimeout(overdue)
  t.ok(gaveUpInTime, 'although its renewal hangs')
  t.equal(a.leading(), false)
  t.equal(b.leading(), false, 'and before another one may lead')
  await until('b leads', () => b.leading())
  const takenOverAfter = performance.now() - pulledAt
  t.ok(takenOverAfter > timing.leaseMs - timing.retryMs - 50, `b waited for the lease: ${takenOverAfter} ms`)
  t.ok(takenOverAfter < timing.leaseMs + 1_500)

  proxy.set('pass')
  proxy.cut()
  await until('a is back and follows', () => a.holder() === 'b')
  t.equal(a.leading(), false)
  const releasedAt = performance.now()
  await b.stop()
  t.equal(b.leading(), false)
  await until('a leads again', () => a.leading())
  const handedOverAfter = performance.now() - releasedAt
  t.ok(handedOverAfter < timing.retryMs * 2.2 + 300, `handed over after ${handedOverAfter} ms`)
  t.equal(both, false, 'never two leaders')

  const lease = await clients.coordination.readNamespacedLease({ name: 'controller', namespace })
  t.match(lease.spec, { holderIdentity: 'a', leaseDurationSeconds: 2, leaseTransitions: 2 })
  await a.stop()
  const freed = await clients.coordination.readNamespacedLease({ name: 'controller', namespace })
  t.notOk(freed.spec?.holderIdentity)
})

void t.test('election: a leader that was stopped does not believe in itself when it goes on', async (t) => {
  const paused = spawn(
    process.execPath,
    ['test/cluster/paused-elector.ts', plane.kubeconfigPath, namespace, 'paused', JSON.stringify(timing)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => paused.kill('SIGKILL'))
  const reports: { at: number; leading: boolean }[] = []
  createInterface(paused.stdout).on('line', (line) => reports.push(JSON.parse(line)))
  await until('it leads', () => reports.at(-1)?.leading === true)
  const { logger } = createLogLines()
  let leadingSince = Number.POSITIVE_INFINITY
  const other = createLeaseElector({
    clients,
    namespace,
    name: 'paused',
    identity: 'other',
    timing,
    logger,
    onLeading: () => {
      leadingSince = Date.now()
    },
  })
  other.start()
  t.teardown(() => other.stop())
  await until('the other knows', () => other.holder() === 'paused')
  paused.kill('SIGSTOP')
  await until('the other leads', () => other.leading())
  const before = reports.length
  paused.kill('SIGCONT')
  await until('it reports again', () => reports.length > before + 20)
  t.same(
    reports.filter(({ at, leading }) => leading && at > leadingSince),
    [],
    'never two leaders',
  )
})
