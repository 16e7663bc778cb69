import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { imageMatches, parseImageReference } from '../../../src/admission/pod/image-reference.ts'
import type { Images } from '../../../src/admission/policy/container-settings.ts'
import { imageFindings } from '../../../src/admission/rules/images.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import { inForceOf, policy, samplePod } from '../pod-samples.ts'

const digest = `sha256:${'a'.repeat(64)}`
const row = (images: Images) =>
  inForceOf({
    ...policy,
    agentTypes: { ...policy.agentTypes, 'stella-agent': { ...policy.agentTypes['stella-agent'], images } },
  })
const open = row({ digest: 'allowed' })
const pinned = row({ allowed: ['ghcr.io/acme/*'], digest: 'required' })

function found(image: string | undefined, within = pinned, volume?: object): string[] {
  const pod = samplePod({
    container: image === undefined ? {} : { image },
    spec: volume ? { volumes: [{ name: 'tools', ...volume }] } : {},
  })
  return violationsIn(mutated(pod, within), within)
    .filter(({ rule }) => rule === 'images' || rule === 'allowed-volumes')
    .map(({ rule, path, allowed }) => `${rule} ${path}: ${allowed}`)
}

void t.test('the image of a volume is judged like that of a container', async (t) => {
  const agent = `ghcr.io/acme/agent@${digest}`
  const volume = (reference: string) => ({ image: { reference, pullPolicy: 'Always' } })
  const place = 'images spec.volumes[0].image.reference'
  t.same(found(agent), [])
  t.same(found(agent, pinned, volume(`ghcr.io/acme/tools@${digest}`)), [])
  t.match(found(agent, pinned, volume('evil.example/tools:latest')), [`${place}: ghcr.io/acme/*`])
  t.match(found(agent, pinned, volume('ghcr.io/acme/tools:1')), [/reference with a digest/])
  t.match(found('x:1', open, volume('a:b:c')), [
    /^images spec\.volumes\[0\]\.image\.reference: a reference to an image/,
  ])
  t.same(found('x:1', open, volume('anything:1')), [], 'where any image may run, any may be mounted')
})

void t.test('a row without the kind image has no such volumes', async (t) => {
  const { defaults } = policy
  const volumeKinds = defaults.volumeKinds.filter((kind) => kind !== 'image')
  t.equal(volumeKinds.length, defaults.volumeKinds.length - 1, 'the kind is one of the policy')
  const narrow = inForceOf({ ...policy, defaults: { ...defaults, volumeKinds } })
  const nine = inForceOf({ ...policy, defaults: { ...defaults, volumeKinds: [...volumeKinds, 'secret'] } })
  t.match(
    found('stella-agent:1', nine, { image: { reference: 'stella-agent:1' } }),
    [/^allowed-volumes/],
    'a kind named twice is no other',
  )
  t.match(found('stella-agent:1', narrow, { image: { reference: 'stella-agent:1' } }), [
    /^allowed-volumes spec\.volumes\[0\]/,
  ])
})

void t.test('a verdict is the same however often and after how many others it is asked for', async () => {
  const names = [
    'nginx',
    'ghcr.io/acme/x',
    'ghcr.io/acme-evil/x',
    'greenroom:5000/evil',
    'greenroom',
    'A',
    '',
  ]
  const endings = ['', ':1', ':1.2', ':latest', `@${digest}`, `:1@${digest}`, ' ', ':', `:${'0'.repeat(700)}`]
  const image = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...endings)).map(([a, b]) => a + b)
  const patterns = [
    'nginx',
    'ghcr.io/acme/*',
    'greenroom:*',
    'greenroom:1.*',
    `ghcr.io/acme/x@*`,
    'no pattern:',
  ]
  const others = Array.from({ length: 250 }, (_, index) => `other-${index}`)
  const setting = fc.record({
    allowed: fc.subarray(patterns),
    digest: fc.constantFrom('allowed' as const, 'required' as const),
  })
  fc.assert(
    fc.property(setting, fc.array(image, { minLength: 1, maxLength: 4 }), (images, asked) => {
      const isRefused = (one: string): boolean => imageFindings(one, 'image', images).length > 0
      const wanted = asked.map((one) => !isAllowed(one, images))
      const first = asked.map(isRefused)
      const second = asked.map(isRefused)
      for (const other of others) isRefused(other)
      return [first, second, asked.map(isRefused)].every((verdicts) => isDeepStrictEqual(verdicts, wanted))
    }),
  )
})

/** Pattern by pattern, with nothing kept. */
function isAllowed(image: string, { allowed = [], digest: wanted }: Images): boolean {
  const isPinned = parseImageReference(image)?.digest !== undefined
  return allowed.some((pattern) => imageMatches(image, pattern)) && (wanted === 'allowed' || isPinned)
}

void t.test('what is no reference is refused in every row', async (t) => {
  for (const image of ['a:b:c', ' x:1', 'x:', 'Acme/x', 'nginх:1', 'x@sha256:00', '']) {
    t.match(found(image, open), [/^images spec\.containers\[0\]\.image: a reference to an image/], image)
    t.match(found(image), [/^images spec\.containers\[0\]\.image/], image)
  }
})
