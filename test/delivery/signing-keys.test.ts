import t from 'tap'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { newKeyPair, privateSet } from '../agent/contract-fixture.ts'
import { kidsOf, privateSets, quotesPrivateKey } from '../domain/key-set-table.ts'

const newer = newKeyPair('k2')
const older = newKeyPair('k1')

void t.test('the newest key that the pod lists is chosen', async (t) => {
  const keys = await loadSigningKeys(privateSet(newer, older))
  t.same(keys.kids, ['k2', 'k1'])
  t.equal(keys.choose(['k1', 'k2'])?.kid, 'k2', 'the order of the pod does not matter')
  t.equal(keys.choose(['k1'])?.kid, 'k1', 'a pod from before the rotation')
  t.equal(keys.choose(['other']), undefined)
  t.equal(keys.choose([]), undefined)
})

void t.test('every set that is in order can be signed with, each of its keys', async (t) => {
  for (const [name, text] of Object.entries(privateSets.good)) {
    const keys = await loadSigningKeys(text)
    t.same(keys.kids, kidsOf(text), name)
    for (const kid of kidsOf(text)) t.equal(keys.choose([kid])?.kid, kid, name)
  }
})

void t.test('an unusable set is refused without quoting it', async (t) => {
  const mixedUp = { ...older.privateJwk, x: newer.publicJwk.x }
  const broken: Record<string, string> = {
    ...privateSets.bad,
    'halves of two keys': JSON.stringify({ keys: [mixedUp] }),
  }
  const { d } = older.privateJwk as { d: string }
  for (const [name, text] of Object.entries(broken)) {
    const error = await loadSigningKeys(text).then(
      () => undefined,
      (error: unknown) => error as Error & { code: string },
    )
    const said = `${error?.message} ${String(error?.cause)}`
    t.equal(error?.code, 'GRN_INVALID_CONFIG', name)
    t.match(error?.message, /^assign keys: /, name)
    t.notOk(quotesPrivateKey(said) || said.includes(d.slice(0, 6)), `${name}: no key material`)
    t.equal(error?.cause, undefined, name)
  }
})
