import t from 'tap'
import { readPrivateKeySet, readPublicKeySet } from '../../src/domain/assign-key-set.ts'
import { kidsOf, privateSets, publicSets, quotesPrivateKey } from './key-set-table.ts'

void t.test('sets in order give their keys, newest first, and nothing but what a key is', async (t) => {
  for (const [name, text] of Object.entries(publicSets.good)) {
    const reading = readPublicKeySet(text)
    if (!reading.ok) throw new Error(`${name}: ${reading.problem}`)
    t.same(
      reading.keys.map(({ kid }) => kid),
      kidsOf(text),
      name,
    )
    for (const key of reading.keys) t.same(Object.keys(key).sort(), ['crv', 'kid', 'kty', 'x'], name)
  }
  for (const [name, text] of Object.entries(privateSets.good)) {
    const reading = readPrivateKeySet(text)
    if (!reading.ok) throw new Error(`${name}: ${reading.problem}`)
    for (const key of reading.keys) t.same(Object.keys(key).sort(), ['crv', 'd', 'kid', 'kty', 'x'], name)
  }
})

void t.test('all others are refused, in words that quote nothing of a key', async (t) => {
  for (const [name, text] of Object.entries(publicSets.bad)) {
    const reading = readPublicKeySet(text)
    t.match(reading, { ok: false, problem: /\w/ }, name)
    t.notOk(quotesPrivateKey(JSON.stringify(reading)), name)
  }
  for (const [name, text] of Object.entries(privateSets.bad)) {
    const reading = readPrivateKeySet(text)
    t.match(reading, { ok: false, problem: /\w/ }, name)
    t.notOk(quotesPrivateKey(JSON.stringify(reading)), name)
  }
})
