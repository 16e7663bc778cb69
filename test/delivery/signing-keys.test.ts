import t from 'tap'
import { loadAssignKeys } from '../../src/delivery/signing-keys.ts'
import { newKeyPair, privateSet, publicSet } from '../agent/contract-fixture.ts'

const newer = newKeyPair('k2')
const older = newKeyPair('k1')

void t.test('the newest key that the pod lists is chosen', async (t) => {
  const keys = await loadAssignKeys(privateSet(newer, older))
  t.same(keys.kids, ['k2', 'k1'])
  t.equal(keys.choose(['k1', 'k2'])?.kid, 'k2', 'the order of the pod does not matter')
  t.equal(keys.choose(['k1'])?.kid, 'k1', 'a pod from before the rotation')
  t.equal(keys.choose(['other']), undefined)
  t.equal(keys.choose([]), undefined)
})

void t.test('an unusable set is refused without quoting it', async (t) => {
  const { d } = older.privateJwk as { d: string }
  const mixedUp = { ...older.privateJwk, x: newer.publicJwk.x }
  const broken: Record<string, string> = {
    'not JSON': `{"keys": [{"d": ${d}`,
    'JSON null': 'null',
    'no list': '{"keys": {}}',
    'empty list': '{"keys": []}',
    'public key': publicSet(older),
    'no kid': JSON.stringify({ keys: [{ ...older.privateJwk, kid: undefined }] }),
    'kid with a comma': JSON.stringify({ keys: [{ ...older.privateJwk, kid: 'a,b' }] }),
    'another curve': JSON.stringify({ keys: [{ ...older.privateJwk, crv: 'Ed448' }] }),
    'null key': '{"keys": [null]}',
    'halves of two keys': JSON.stringify({ keys: [mixedUp] }),
    'same kid twice': privateSet(older, older),
  }
  for (const [name, text] of Object.entries(broken)) {
    const error = await loadAssignKeys(text).then(
      () => undefined,
      (error: unknown) => error as Error & { code: string },
    )
    t.equal(error?.code, 'GRN_INVALID_CONFIG', name)
    t.match(error?.message, /^assign keys: /, name)
    t.notOk(`${error?.message} ${String(error?.cause)}`.includes(d.slice(0, 6)), `${name}: no key material`)
    t.equal(error?.cause, undefined, name)
  }
})
