import { X509Certificate } from 'node:crypto'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { authoritiesIn, checkPair, isSignedBy } from '../../src/certificates/certificate-facts.ts'
import { createCertificateMetrics } from '../../src/certificates/certificate-metrics.ts'
import type { CertificateRules } from '../../src/certificates/certificate-plan.ts'
import type { SecretStore, TrustStore } from '../../src/certificates/certificate-stores.ts'
import type { CertificateMaker } from '../../src/certificates/make-certificate.ts'
import { createRotation } from '../../src/certificates/rotation.ts'
import { makeAuthority, makeLeaf } from '../../src/certificates/x509-signing.ts'

const day = 86_400_000
const rules: CertificateRules = {
  authorityLifeMs: 90 * day,
  leafLifeMs: 30 * day,
  settleMs: 1_000,
  names: ['agent-webhook.greenroom-system.svc'],
}
/** As the program does, but here: a process for each would only be slower. */
const make: CertificateMaker = (order) =>
  order.kind === 'authority' ? makeAuthority(order) : makeLeaf(order)

type Fault = 'none' | 'refused' | 'reply-lost'

/** One Secret and two configurations with compare-and-set; a call can fail before or after it took effect. */
function createCluster() {
  let version = 1
  let data: Readonly<Record<string, string>> | undefined
  const bundles = new Map([
    ['mutating/w', ''],
    ['validating/w', ''],
  ])
  const world = {
    fault: 'none' as Fault,
    trustIsReadable: true,
    bundles,
    data: () => data ?? {},
    put: (next: Readonly<Record<string, string>> | undefined) => {
      data = next
      version += 1
    },
  }
  const write = (effect: () => void): void => {
    const { fault } = world
    world.fault = 'none'
    if (fault === 'refused') throw new Error('refused')
    effect()
    if (fault === 'reply-lost') throw new Error('reply lost')
  }
  const secret: SecretStore = {
    read: async () => ({ version: data && String(version), data: data ?? {} }),
    async write(next, seen) {
      write(() => {
        if ((data && String(version)) !== seen) throw new Error('conflict')
        world.put(next)
      })
    },
  }
  const trust: TrustStore<{ configuration: string; webhook: string; bundle: string }> = {
    async read() {
      if (!world.trustIsReadable) throw new Error('forbidden')
      return [...bundles].map(([configuration, bundle]) => ({ configuration, webhook: 'x', bundle }))
    },
    async publish(entries, bundle) {
      write(() => {
        for (const { configuration } of entries) bundles.set(configuration, bundle)
      })
    },
  }
  return { world, secret, trust }
}

function bed() {
  const cluster = createCluster()
  const registry = new Registry()
  const metrics = createCertificateMetrics(registry)
  const clock = { nowMs: Date.UTC(2030, 0, 1), monotonicMs: 0 }
  const create = (more: { make?: CertificateMaker; onStored?: () => void; lookMs?: number } = {}) =>
    createRotation({
      ...cluster,
      make,
      rules,
      lookMs: 5,
      logger: pino({ level: 'silent' }),
      metrics,
      now: () => clock.nowMs,
      monotonicMs: () => clock.monotonicMs,
      ...more,
    })
  const signal = new AbortController().signal
  const rotation = create()
  const later = (ms: number): void => {
    clock.nowMs += ms
    clock.monotonicMs += ms
  }
  /** Steps, time going on while it waits, until nothing is left; what was done. */
  const settle = async (by = rotation): Promise<string[]> => {
    const done: string[] = []
    for (let looks = 0; looks < 30; looks += 1) {
      const step = await by.look(signal).catch(() => ({ kind: 'failed' as const }))
      if (step.kind === 'nothing') return done
      if (step.kind === 'wait') later(step.ms)
      else done.push(step.kind)
    }
    throw new Error(`it never comes to rest: ${done.join()}`)
  }
  const seen = () => {
    const data = cluster.world.data()
    const pair = { cert: data['tls.crt'] ?? '', key: data['tls.key'] ?? '' }
    return {
      ca: new X509Certificate(data['ca.crt'] ?? ''),
      leaf: checkPair(pair),
      bundles: [...cluster.world.bundles.values()].map(authoritiesIn),
    }
  }
  const isWell = (): boolean => {
    const { ca, leaf, bundles } = seen()
    return isSignedBy(leaf, ca) && bundles.every(([first]) => first?.fingerprint256 === ca.fingerprint256)
  }
  return { ...cluster, registry, clock, create, rotation, signal, later, settle, seen, isWell }
}

void t.test('from nothing: authority, trust, leaf, in this order; then nothing', async (t) => {
  const { settle, isWell, seen, clock, registry } = bed()
  t.same(await settle(), ['make-authority', 'publish-trust', 'make-leaf'])
  t.ok(isWell())
  const { ca, leaf } = seen()
  t.equal(ca.validFromDate.getTime(), clock.nowMs - 3_600_000)
  t.equal(leaf.validToDate.getTime(), clock.nowMs + rules.leafLifeMs)
  t.same(await settle(), [])
  const text = await registry.metrics()
  t.match(text, /rotations_total\{step="make-leaf",outcome="done"\} 1/)
  t.match(text, /trust_complete\{configuration="validating\/w"\} 1/)
})

void t.test('a CA is replaced in order, the old one kept until its leaf has expired', async (t) => {
  const { settle, later, seen, isWell } = bed()
  await settle()
  const first = seen()
  later(20 * day)
  t.same(await settle(), ['make-leaf'], 'a leaf alone')
  later(19 * day)
  later(21 * day)
  t.same(await settle(), ['make-authority', 'publish-trust', 'make-leaf'])
  const second = seen()
  t.same(
    second.bundles.map((bundle) => bundle.map(({ fingerprint256 }) => fingerprint256)),
    Array(2).fill([second.ca.fingerprint256, first.ca.fingerprint256].slice(0, second.bundles[0]?.length)),
  )
  later(30 * day)
  await settle()
  t.ok(isWell())
  t.equal(seen().bundles[0]?.length, 1)
})

void t.test(
  'a leader that dies anywhere, its last write done or not, is followed by one that goes on',
  async (t) => {
    for (const fault of ['refused', 'reply-lost'] as const) {
      for (let at = 0; at < 6; at += 1) {
        const { world, rotation, create, signal, settle, isWell, later, seen } = bed()
        await settle()
        const authorities = new Set([seen().ca.fingerprint256])
        later(61 * day)
        for (let looks = 0; looks < at; looks += 1) {
          const step = await rotation.look(signal)
          if (step.kind === 'wait') later(step.ms)
        }
        world.fault = fault
        await rotation.look(signal).catch(() => undefined)
        world.fault = 'none'
        await settle(create())
        t.ok(isWell(), `${fault} at step ${at}`)
        authorities.add(seen().ca.fingerprint256)
        t.ok(authorities.size <= 2)
      }
    }
  },
)

void t.test('of two who believe that they lead, one writes', async (t) => {
  const { create, signal, settle, isWell, registry } = bed()
  const both = [create(), create()]
  const outcomes = await Promise.allSettled(both.map((rotation) => rotation.look(signal)))
  t.same(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  await settle()
  t.ok(isWell())
  t.match(await registry.metrics(), /rotations_total\{step="make-authority",outcome="failed"\} 1/)
})

void t.test('a leader that lost its lease while it made a certificate writes nothing', async (t) => {
  const { world, create } = bed()
  const term = new AbortController()
  const rotation = create({
    make: async (order) => {
      term.abort()
      return make(order)
    },
  })
  await rotation.look(term.signal)
  t.same(world.data(), {})
})

void t.test('configurations that cannot be read: counted; a leaf is renewed all the same', async (t) => {
  const { world, settle, later, registry, seen } = bed()
  await settle()
  const before = seen().leaf.fingerprint256
  world.trustIsReadable = false
  later(20 * day)
  t.same(await settle(), ['make-leaf'])
  t.not(seen().leaf.fingerprint256, before)
  t.match(await registry.metrics(), /errors_total\{step="read-trust"\} [1-9]/)
})

void t.test('rubbish of every kind is replaced, and what the replicas hold stays trusted', async (t) => {
  for (const key of ['ca.crt', 'ca.key', 'tls.crt', 'tls.key', 'superseded.json']) {
    const { world, settle, seen, isWell } = bed()
    await settle()
    const { ca } = seen()
    world.put({ ...world.data(), [key]: 'rubbish' })
    t.ok((await settle()).length > 0, key)
    t.ok(isWell(), key)
    for (const bundle of seen().bundles) {
      t.ok(
        bundle.some(({ fingerprint256 }) => fingerprint256 === ca.fingerprint256),
        `${key}: still trusted`,
      )
    }
  }
})

void t.test('it looks by itself and at once when woken, and ends with its signal', async (t) => {
  const { world, create, isWell } = bed()
  const term = new AbortController()
  let stored = 0
  const rotation = create({ onStored: () => (stored += 1) })
  const running = rotation.run(term.signal)
  while (stored === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  t.ok(isWell())
  world.bundles.set('mutating/w', '')
  rotation.wake()
  while (world.bundles.get('mutating/w') === '') await new Promise((resolve) => setTimeout(resolve, 5))
  term.abort()
  await running
  t.pass()
})

void t.test('between two looks that are an hour apart a wake-up counts, and so does the end', async (t) => {
  const { world, create, settle, isWell } = bed()
  await settle()
  const term = new AbortController()
  const rotation = create({ lookMs: 3_600_000 })
  const running = rotation.run(term.signal)
  const untilWell = async () => {
    while (!isWell()) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  for (let time = 0; time < 3; time += 1) {
    world.bundles.set('mutating/w', '')
    rotation.wake()
    await untilWell()
  }
  term.abort()
  await running
  t.ok(isWell())
})
