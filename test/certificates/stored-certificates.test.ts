import t from 'tap'
import { checkPair, factsOf } from '../../src/certificates/certificate-facts.ts'
import {
  authoritiesOf,
  leafFactsOf,
  storedPair,
  withAuthority,
  withLeaf,
  withSuperseded,
} from '../../src/certificates/stored-certificates.ts'
import { makeAuthority, makeLeaf } from '../../src/certificates/x509-signing.ts'

const nowMs = Date.UTC(2030, 0, 1)
const times = { notBeforeMs: nowMs, notAfterMs: nowMs + 86_400_000 }
const authority = await makeAuthority({ kind: 'authority', name: 'a', ...times })
const other = await makeAuthority({ kind: 'authority', name: 'b', ...times })
const names = ['x.svc', '127.0.0.1']
const leaf = await makeLeaf({ kind: 'leaf', authority, names, ...times })
const facts = factsOf(checkPair(authority))
const superseded = [{ ...factsOf(checkPair(other)), untilMs: nowMs + 5 }]
const stored = withLeaf(withAuthority({ stranger: 'x' }, authority, superseded), leaf)

/** What the replicas would serve from such a Secret. */
const offered = (data: Readonly<Record<string, string>>) =>
  storedPair({ read: async () => ({ version: '1', data }), write: async () => undefined }).read()

void t.test('what was stored is read again, and nothing of others is carried on', async (t) => {
  t.same(Object.keys(stored).toSorted(), ['ca.crt', 'ca.key', 'superseded.json', 'tls.crt', 'tls.key'])
  t.same(authoritiesOf(stored), { authority: { pair: authority, facts }, superseded })
  const pair = await offered(stored)
  t.same({ key: pair?.key, cert: pair?.cert }, leaf)
  t.equal(pair?.authority.trim(), authority.cert.trim())
  t.match(leafFactsOf(stored, [superseded[0] ?? facts, facts]), { issuer: facts.fingerprint, names })
  t.equal(leafFactsOf(stored, superseded)?.issuer, undefined, 'nobody known signed it')
  t.same(authoritiesOf(withSuperseded(stored, [])).superseded, [])
})

void t.test('rubbish and halves are as good as nothing', async (t) => {
  t.same(authoritiesOf({}), { authority: undefined, superseded: [] })
  for (const [key, value] of [
    ['ca.crt', 'x'],
    ['ca.key', other.key],
    ['ca.crt', leaf.cert],
    ['superseded.json', '{'],
    ['superseded.json', '[{"until":"never","certificate":"x"}]'],
    ['superseded.json', '{}'],
  ] as const)
    t.equal(authoritiesOf({ ...stored, [key]: value }).authority, undefined, `${key} ${value.slice(0, 12)}`)
  const notAnAuthority = { ...stored, 'ca.crt': leaf.cert, 'ca.key': leaf.key }
  t.equal(authoritiesOf(notAnAuthority).authority, undefined, 'a leaf signs nothing')
  t.equal(await offered({ 'tls.crt': leaf.cert }), undefined)
  t.equal((await offered({ ...stored, 'ca.crt': 'x' }))?.authority, '')
  t.equal(leafFactsOf({ ...stored, 'tls.key': other.key }, [facts]), undefined, 'halves of two pairs')
})
