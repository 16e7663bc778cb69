import t from 'tap'
import type { Images } from '../../../src/admission/policy/container-settings.ts'
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

void t.test('what is no reference is refused in every row', async (t) => {
  for (const image of ['a:b:c', ' x:1', 'x:', 'Acme/x', 'nginх:1', 'x@sha256:00', '']) {
    t.match(found(image, open), [/^images spec\.containers\[0\]\.image: a reference to an image/], image)
    t.match(found(image), [/^images spec\.containers\[0\]\.image/], image)
  }
})
