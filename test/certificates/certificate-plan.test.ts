import fc from 'fast-check'
import t from 'tap'
import {
  bundleOf,
  type CertificateFacts,
  type CertificateRules,
  type CertificateState,
  certificatePlan,
  clockSkewMs,
  isDue,
  type LeafFacts,
  type SupersededAuthority,
  type TrustEntry,
} from '../../src/certificates/certificate-plan.ts'

const day = 86_400_000
const now = 1_800_000_000_000
const names = ['agent-webhook.greenroom-system.svc']
const rules: CertificateRules = { authorityLifeMs: 365 * day, leafLifeMs: 30 * day, settleMs: 30_000, names }

/** Made at `madeMs`, as the rotation makes them. */
function facts(name: string, madeMs: number, lifeMs: number): CertificateFacts {
  return {
    pem: `PEM ${name}`,
    fingerprint: name,
    notBeforeMs: madeMs - clockSkewMs,
    notAfterMs: madeMs + lifeMs,
  }
}
const ca = facts('new', now - day, rules.authorityLifeMs)
const oldCa = facts('old', now - 250 * day, rules.authorityLifeMs)
const leafOf = (issuer: string | undefined, madeMs = now - day): LeafFacts => ({
  ...facts(`leaf of ${issuer}`, madeMs, rules.leafLifeMs),
  issuer,
  names,
})
const superseded = (of: CertificateFacts, untilMs: number): SupersededAuthority => ({ ...of, untilMs })
const trusting = (...authorities: CertificateFacts[]): TrustEntry[] =>
  ['mutating/w', 'validating/w'].map((configuration) => ({
    configuration,
    webhook: 'x',
    bundle: authorities.map(({ pem }) => `${pem}\n`).join(''),
    authorities,
  }))

/** All is well: nothing to do. */
const well: CertificateState = {
  authority: ca,
  superseded: [],
  leaf: leafOf('new'),
  trust: trusting(ca),
  trustedForMs: 0,
}
const step = (over: Partial<CertificateState>, at = now) => certificatePlan({ ...well, ...over }, at, rules)

void t.test('one step for each state', async (t) => {
  const untilLeafEnds = leafOf('old').notAfterMs
  const rotating: Partial<CertificateState> = {
    superseded: [superseded(oldCa, untilLeafEnds)],
    leaf: leafOf('old'),
    trust: trusting(ca, oldCa),
  }
  const bundle = `${ca.pem}\n${oldCa.pem}\n`
  const wait = { kind: 'wait', ms: 30_000 }
  const cases: readonly (readonly [string, Partial<CertificateState>, object])[] = [
    ['all is well', {}, { kind: 'nothing' }],
    [
      'from nothing',
      { authority: undefined, leaf: undefined, trust: trusting() },
      { kind: 'make-authority', superseded: [] },
    ],
    ['a first leaf waits for nothing', { leaf: undefined }, { kind: 'make-leaf' }],
    ['no configuration yet', { leaf: undefined, trust: [] }, { kind: 'make-leaf' }],
    [
      'no first leaf before the trust',
      { leaf: undefined, trust: trusting(), trustedForMs: undefined },
      { kind: 'publish-trust', bundle: `${ca.pem}\n` },
    ],
    [
      'no first leaf while the trust is unknown',
      { leaf: undefined, trust: undefined, trustedForMs: undefined },
      { kind: 'nothing' },
    ],
    [
      'a CA past two thirds',
      { authority: oldCa, leaf: leafOf('old'), trust: trusting(oldCa) },
      { kind: 'make-authority', superseded: [superseded(oldCa, untilLeafEnds)] },
    ],
    [
      'a CA past two thirds, its leaf fresh: the CA counts too',
      { authority: oldCa, leaf: leafOf('old', now), trust: trusting(oldCa) },
      { kind: 'make-authority' },
    ],
    [
      'the Secret is gone: what the configurations trust stays',
      { authority: undefined, leaf: undefined, trust: trusting(oldCa), trustedForMs: undefined },
      { kind: 'make-authority', superseded: [superseded(oldCa, now + 30 * day)] },
    ],
    [
      'a CA from a year ahead is nobody’s',
      { authority: facts('ahead', now + 365 * day, rules.authorityLifeMs) },
      { kind: 'make-authority' },
    ],
    [
      'new CA made, not trusted yet',
      { ...rotating, trust: trusting(oldCa), trustedForMs: undefined },
      { kind: 'publish-trust', bundle },
    ],
    [
      'one entry behind',
      { ...rotating, trust: [...trusting(ca, oldCa), ...trusting(oldCa)], trustedForMs: undefined },
      { kind: 'publish-trust', bundle },
    ],
    [
      'an emptied bundle',
      { trust: trusting(), trustedForMs: undefined },
      { kind: 'publish-trust', bundle: `${ca.pem}\n` },
    ],
    [
      'a stranger in the bundle',
      { trust: trusting(ca, facts('stranger', now, day)) },
      { kind: 'publish-trust', bundle: `${ca.pem}\n` },
    ],
    ['trusted just now', rotating, wait],
    ['trusted long enough', { ...rotating, trustedForMs: 30_000 }, { kind: 'make-leaf' }],
    ['the Secret was deleted: replicas hold what the old CA signed', { ...rotating, leaf: undefined }, wait],
    [
      'an expired leaf waits for nothing',
      { ...rotating, leaf: leafOf('old', now - 31 * day) },
      { kind: 'make-leaf' },
    ],
    ['a leaf of nobody waits for nothing', { ...rotating, leaf: leafOf(undefined) }, { kind: 'make-leaf' }],
    ['new leaf, old CA still needed', { ...rotating, leaf: leafOf('new') }, { kind: 'nothing' }],
    ['a leaf past two thirds', { leaf: leafOf('new', now - 20 * day) }, { kind: 'make-leaf' }],
    [
      'a renewal needs no configurations',
      { leaf: leafOf('new', now - 20 * day), trust: undefined, trustedForMs: undefined },
      { kind: 'make-leaf' },
    ],
    ['another name', { leaf: { ...leafOf('new'), names: ['other'] } }, { kind: 'make-leaf' }],
    [
      'the last leaf of the old CA has expired',
      { superseded: [superseded(oldCa, now)] },
      { kind: 'forget-authorities', superseded: [] },
    ],
    [
      'never forgotten before the new leaf',
      { ...rotating, superseded: [superseded(oldCa, now)], trust: trusting(ca) },
      wait,
    ],
  ]
  for (const [title, over, expected] of cases) t.match(step(over), expected, title)
})

void t.test(
  'due at two thirds of the life, to the millisecond, and never again by a clock an hour off',
  async (t) => {
    const made = facts('x', now, 30 * day)
    t.notOk(isDue(made, now + 20 * day - 1))
    t.ok(isDue(made, now + 20 * day))
    for (const skew of [-clockSkewMs, clockSkewMs]) t.notOk(isDue(made, now + skew), `${skew} ms`)
  },
)

/** A cluster played in memory: replicas that lag, a leader that dies between any two steps, people who meddle. */
class World {
  now = now
  made = 0
  authority: CertificateFacts | undefined
  superseded: readonly SupersededAuthority[] = []
  leaf: LeafFacts | undefined
  /** What each of two configurations trusts. */
  bundles: CertificateFacts[][] = [[], []]
  /** What they trusted before, and until when: an API server may still go by it. */
  before: { readonly untilMs: number; readonly bundles: CertificateFacts[][] }[] = []
  /** What each replica serves. */
  served: (LeafFacts | undefined)[] = [undefined, undefined, undefined]
  trustedSince: number | undefined
  trustedFor: string | undefined
  readonly known = new Map<string, CertificateFacts>()

  state(): CertificateState {
    const trust = this.bundles.map(
      (authorities, n): TrustEntry => ({
        configuration: String(n),
        webhook: 'x',
        bundle: authorities.map(({ pem }) => `${pem}\n`).join(''),
        authorities,
      }),
    )
    const { authority, superseded } = this
    const trusts =
      authority && this.bundles.every((b) => b.some((k) => k.fingerprint === authority.fingerprint))
    if (!trusts) this.trustedSince = undefined
    else if (this.trustedSince === undefined || this.trustedFor !== authority.fingerprint) {
      this.trustedSince = this.now
      this.trustedFor = authority.fingerprint
    }
    const ours = [authority, ...superseded].map((k) => k?.fingerprint)
    const leaf = this.leaf && {
      ...this.leaf,
      issuer: ours.includes(this.leaf.issuer) ? this.leaf.issuer : undefined,
    }
    const trustedForMs = this.trustedSince === undefined ? undefined : this.now - this.trustedSince
    return { authority, superseded, leaf, trust, trustedForMs }
  }

  /** The leader's next step; the name of it. */
  lead(): string {
    const next = certificatePlan(this.state(), this.now, rules)
    if (next.kind === 'make-authority') {
      this.authority = this.make('ca', rules.authorityLifeMs)
      this.superseded = next.superseded
    } else if (next.kind === 'publish-trust') {
      const named = next.bundle.split('\n').flatMap((pem) => this.known.get(pem) ?? [])
      this.before.push({ untilMs: this.now, bundles: this.bundles })
      this.bundles = [named, named]
    } else if (next.kind === 'make-leaf' && this.authority) {
      const lifeMs = Math.min(rules.leafLifeMs, this.authority.notAfterMs - this.now)
      this.leaf = { ...this.make('leaf', lifeMs), issuer: this.authority.fingerprint, names }
    } else if (next.kind === 'forget-authorities') this.superseded = next.superseded
    return next.kind
  }

  make(kind: string, lifeMs: number): CertificateFacts {
    this.made += 1
    const one = facts(`${kind}-${this.made}`, this.now, lifeMs)
    this.known.set(one.pem, one)
    return one
  }

  /** What some API server goes by: caches lag, though not for as long as the plan waits. */
  visible(): CertificateFacts[][] {
    const lagging = this.before.filter(({ untilMs }) => this.now - untilMs < rules.settleMs)
    return [...this.bundles, ...lagging.flatMap(({ bundles }) => bundles)]
  }

  /** Replicas that serve what some entry, as some API server sees it, does not trust. */
  distrusted(): string[] {
    return this.served.flatMap((leaf) => {
      if (leaf === undefined || leaf.notAfterMs <= this.now) return []
      return this.visible().every((b) => b.some((k) => k.fingerprint === leaf.issuer))
        ? []
        : [leaf.fingerprint]
    })
  }

  /** Steps until nothing is left to do but wait, with all replicas following. */
  settle(): number {
    for (let steps = 0; steps < 12; steps += 1) {
      const kind = this.lead()
      if (kind === 'nothing') {
        this.served = this.served.map(() => this.leaf)
        return steps
      }
      if (kind === 'wait') this.now += rules.settleMs
    }
    throw new Error('it never comes to rest')
  }
}

type Happening =
  | { readonly kind: 'lead' | 'leader-dies' | 'secret-deleted' | 'leaf-deleted' }
  | { readonly kind: 'follow'; readonly replica: number }
  | { readonly kind: 'later'; readonly ms: number }

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: 'lead' } as const) },
  { weight: 3, arbitrary: fc.nat(2).map((replica) => ({ kind: 'follow', replica }) as const) },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 3 * day }).map((ms) => ({ kind: 'later', ms }) as const),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('leader-dies', 'secret-deleted', 'leaf-deleted')
      .map((kind) => ({ kind }) as Happening),
  },
)

function happen(world: World, { kind, ...more }: Happening): void {
  if (kind === 'lead') world.lead()
  else if (kind === 'follow' && 'replica' in more) {
    world.served[more.replica] = world.leaf ?? world.served[more.replica]
  } else if (kind === 'later' && 'ms' in more) world.now += more.ms
  else if (kind === 'leader-dies') world.trustedSince = undefined
  else if (kind === 'leaf-deleted') world.leaf = undefined
  else {
    world.authority = undefined
    world.superseded = []
    world.leaf = undefined
  }
}

void t.test(
  'whatever happens in whatever order, what is served and has not expired is trusted',
  async (t) => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 120 }), (happenings) => {
        const world = new World()
        world.settle()
        world.now += rules.settleMs
        for (const one of happenings) {
          happen(world, one)
          const distrusted = world.distrusted()
          if (distrusted.length > 0) throw new Error(`${distrusted.join()} after ${one.kind}`)
        }
        world.settle()
        const { authority, leaf } = world
        if (leaf?.issuer !== authority?.fingerprint || world.distrusted().length > 0)
          throw new Error('not well at rest')
      }),
      { numRuns: 500 },
    )
    t.pass()
  },
)

void t.test(
  'ten years with a look a day: nothing expires, bundles stay short, and the plan comes to rest',
  async (t) => {
    const world = new World()
    let longest = 0
    for (let days = 0; days < 3_650; days += 1) {
      world.settle()
      for (const certificate of [world.authority, ...world.served])
        if ((certificate?.notAfterMs ?? 0) <= world.now) throw new Error(`expired on day ${days}`)
      longest = Math.max(longest, ...world.bundles.map(({ length }) => length))
      world.now += day
    }
    t.equal(longest, 2, 'the old CA beside the new one, and no third')
    t.equal(world.superseded.length <= 1, true)
    t.ok(world.made < 3_650 / 19 + 3_650 / 240 + 5, `${world.made} certificates`)
  },
)

void t.test('leaders whose clocks are an hour apart do not undo each other', async (t) => {
  const world = new World()
  for (const skew of [0, -clockSkewMs, clockSkewMs, -clockSkewMs]) {
    world.now = now + skew
    world.settle()
  }
  t.equal(world.made, 2, 'one CA and one leaf, whoever looks')
})

void t.test('a bundle is the newest first, without those nobody needs', async (t) => {
  const state = {
    ...well,
    superseded: [superseded(oldCa, now + 1), superseded(facts('older', now, day), now)],
  }
  t.equal(bundleOf(state, now), 'PEM new\nPEM old\n')
})
