import { newKeyPair } from '../agent/contract-fixture.ts'

/**
 * Key sets that are in order and sets that are not, for every part that reads one: the webhook injects a public set, the
 * agent verifies with it, the session server signs with the private one. A set that one of them takes all must take.
 */

type Jwk = Record<string, unknown>
/** A set of two keys, both private or both public. */
type MakeSet = (jwk: Jwk, other: Jwk) => unknown

const goodSets: Record<string, MakeSet> = {
  'one key': (jwk) => ({ keys: [jwk] }),
  'two keys': (jwk, other) => ({ keys: [jwk, other] }),
  'a dot in the id': (jwk) => ({ keys: [{ ...jwk, kid: 'k.1' }] }),
  'a date as the id': (jwk, other) => ({ keys: [{ ...jwk, kid: '2026.10' }, other] }),
  'a thumbprint as the id': (jwk) => ({
    keys: [{ ...jwk, kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k' }],
  }),
  'an id of 128 characters': (jwk) => ({ keys: [{ ...jwk, kid: '_-.'.padEnd(128, 'x') }] }),
  'members that nobody reads': (jwk) => ({ keys: [{ ...jwk, alg: 'EdDSA', use: 'sig' }], note: 'mine' }),
}

const badSets: Record<string, MakeSet> = {
  null: () => null,
  'a text': () => 'keys',
  'no keys': () => ({}),
  'keys is no list': (jwk) => ({ keys: { jwk } }),
  'an empty list': () => ({ keys: [] }),
  'a null key': () => ({ keys: [null] }),
  'a text as a key': () => ({ keys: ['k1'] }),
  'one bad key of two': (jwk, other) => ({ keys: [jwk, { ...other, kid: 7 }] }),
  'no id': (jwk) => ({ keys: [{ ...jwk, kid: undefined }] }),
  'an empty id': (jwk) => ({ keys: [{ ...jwk, kid: '' }] }),
  'a comma in the id': (jwk) => ({ keys: [{ ...jwk, kid: 'a,b' }] }),
  'a line break in the id': (jwk) => ({ keys: [{ ...jwk, kid: 'a\n' }] }),
  'a letter beyond ASCII in the id': (jwk) => ({ keys: [{ ...jwk, kid: 'schlüssel' }] }),
  'an id of 129 characters': (jwk) => ({ keys: [{ ...jwk, kid: 'x'.repeat(129) }] }),
  'the same id twice': (jwk, other) => ({ keys: [jwk, { ...other, kid: jwk.kid }] }),
  'another curve': (jwk) => ({ keys: [{ ...jwk, crv: 'Ed448' }] }),
  'another type': (jwk) => ({ keys: [{ ...jwk, kty: 'RSA' }] }),
  'no public part': (jwk) => ({ keys: [{ ...jwk, x: undefined }] }),
  'a public part that is too short': (jwk) => ({ keys: [{ ...jwk, x: 'AAAA' }] }),
  'a public part that is not base64url': (jwk) => ({ keys: [{ ...jwk, x: '+'.repeat(43) }] }),
}

const notJson = { 'nothing at all': '', 'half of JSON': '{"keys": [{"kid":"k1",' }

const first = newKeyPair('k1')
const second = newKeyPair('k2')

function textsOf(sets: Record<string, MakeSet>, half: 'privateJwk' | 'publicJwk'): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sets).map(([name, make]) => [name, JSON.stringify(make(first[half], second[half]))]),
  )
}

/** Texts by what is special in them. */
export const publicSets = {
  good: textsOf(goodSets, 'publicJwk'),
  bad: {
    ...notJson,
    ...textsOf(badSets, 'publicJwk'),
    'a private key': JSON.stringify({ keys: [first.privateJwk] }),
    'a private key behind a public one': JSON.stringify({ keys: [first.publicJwk, second.privateJwk] }),
    'a private part that is no text': JSON.stringify({ keys: [{ ...first.publicJwk, d: null }] }),
    'a private part spelled otherwise': JSON.stringify({ keys: [first.privateJwk] }).replace(
      '"d"',
      '"\\u0064"',
    ),
    'a list of private keys, and then one of public ones': `{"keys":${JSON.stringify([first.privateJwk])},"keys":${JSON.stringify([first.publicJwk])}}`,
  } as Record<string, string>,
}

export const privateSets = {
  good: textsOf(goodSets, 'privateJwk'),
  bad: {
    ...notJson,
    ...textsOf(badSets, 'privateJwk'),
    'a public key': JSON.stringify({ keys: [first.publicJwk] }),
    'a private part that is too short': JSON.stringify({ keys: [{ ...first.privateJwk, d: 'AAAA' }] }),
  } as Record<string, string>,
}

/** The ids of a good set, in its order. */
export function kidsOf(text: string): readonly string[] {
  return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map((key) => key.kid)
}

/** True if a message holds any part of a private key of the table. */
export function quotesPrivateKey(message: string): boolean {
  return [first, second].some(({ privateJwk }) => message.includes(String(privateJwk.d).slice(0, 6)))
}
