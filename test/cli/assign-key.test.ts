import { calculateJwkThumbprint, type JSONWebKeySet, type JWK } from 'jose'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { createAssignVerifier } from '../../src/agent/assign-verifier.ts'
import { assignKeyManifests } from '../../src/cli/assign-key.ts'
import { signDelivery } from '../../src/delivery/assign-token.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { kidsOf, privateSets, publicSets } from '../domain/key-set-table.ts'
import { runMain } from '../support/run-main.ts'

function read(manifests: string) {
  const [secret, configMap, ...more] = parseAllDocuments(manifests).map((document) => document.toJS())
  const privateText = secret.stringData['keys.json'] as string
  const publicText = configMap.data['keys.json'] as string
  const kids = (set: string) => (JSON.parse(set) as JSONWebKeySet).keys.map((key) => key.kid)
  return { secret, configMap, more, privateText, publicText, kids }
}

void t.test('a Secret with the private key and a ConfigMap with its public half', async (t) => {
  const { secret, configMap, more, privateText, publicText } = read(
    await assignKeyManifests({ namespace: 'ns-1' }),
  )
  t.match(secret, { kind: 'Secret', metadata: { name: 'greenroom-assign-key', namespace: 'ns-1' } })
  t.match(configMap, { kind: 'ConfigMap', metadata: { name: 'greenroom-assign-keys', namespace: 'ns-1' } })
  t.same(more, [])
  const [publicKey] = (JSON.parse(publicText) as { keys: JWK[] }).keys
  t.same(Object.keys(publicKey ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'], 'no private part')
  t.equal(publicKey?.kid, await calculateJwkThumbprint(publicKey as JWK))
  // The two halves belong together: what one signs, the other verifies.
  const key = (await loadSigningKeys(privateText)).choose([publicKey?.kid ?? ''])
  if (!key) throw new Error('the kids differ')
  const token = signDelivery(key, {
    podUid: 'p',
    sessionId: 's',
    epoch: 1,
    body: '{}',
    now: Date.now(),
  })
  const verify = createAssignVerifier(publicText, 'p')
  t.match(verify(`Bearer ${token}`, Buffer.from('{}')), { sub: 's' })
})

void t.test('a rotation puts the new key first and keeps the old ones', async (t) => {
  const first = read(await assignKeyManifests({ namespace: 'ns-1' }))
  const second = read(await assignKeyManifests({ namespace: 'ns-1', previous: first.privateText }))
  t.equal(second.kids(second.privateText).length, 2)
  t.equal(second.kids(second.privateText)[1], first.kids(first.privateText)[0])
  t.same(second.kids(second.publicText), second.kids(second.privateText))
  t.notMatch(second.publicText, /"d"/)
})

void t.test('old keys that no pod lists go; the newest of them stays', async (t) => {
  let previous = read(await assignKeyManifests({ namespace: 'ns-1' }))
  for (let round = 0; round < 3; round += 1)
    previous = read(await assignKeyManifests({ namespace: 'ns-1', previous: previous.privateText }))
  const [newest, , listed] = previous.kids(previous.privateText)
  const options = { namespace: 'ns-1', previous: previous.privateText, listed: [listed ?? '', 'of no key'] }
  const next = read(await assignKeyManifests(options))
  t.same(next.kids(next.privateText).slice(1), [newest, listed])
  t.same(next.kids(next.publicText), next.kids(next.privateText))
  t.match(await command(['--listed', 'a']), { code: 2, stderr: /--listed needs --rotate/ })
})

void t.test(
  'every previous set that is in order is kept whole, and the public one is its half',
  async (t) => {
    for (const [name, previous] of Object.entries(privateSets.good)) {
      const { privateText, publicText, kids } = read(
        await assignKeyManifests({ namespace: 'ns-1', previous }),
      )
      t.same(kids(privateText).slice(1), kidsOf(previous), name)
      const [, ...kept] = (JSON.parse(publicText) as JSONWebKeySet).keys
      const expected = (JSON.parse(publicSets.good[name] ?? '') as JSONWebKeySet).keys.map(({ kid, x }) => ({
        kid,
        x,
      }))
      t.same(
        kept.map(({ kid, x }) => ({ kid, x })),
        expected,
        name,
      )
      t.ok(createAssignVerifier(publicText, 'p'), name)
    }
  },
)

void t.test('a previous set that is none is refused', async (t) => {
  for (const previous of Object.values(privateSets.bad)) {
    await t.rejects(
      assignKeyManifests({ namespace: 'ns-1', previous }),
      { code: 'GRN_INVALID_CONFIG' },
      previous,
    )
  }
})

void t.test('the command', async (t) => {
  const run = async (args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await command(args, input)
    t.equal(code, 0, stderr)
    return read(stdout)
  }
  const first = await run([])
  t.equal(first.secret.metadata.namespace, 'ai-agents')
  const second = await run(['--rotate', '--namespace', 'other'], first.privateText)
  t.equal(second.secret.metadata.namespace, 'other')
  t.equal(second.kids(second.privateText)[1], first.kids(first.privateText)[0])
  t.match(await command(['--wrong']), { code: 2, stdout: '', stderr: /^GRN_WRONG_ARGUMENTS: .*'--wrong'/ })
})

function command(args: readonly string[], input = '') {
  return runMain(['assign-key', ...args], {}, input)
}
