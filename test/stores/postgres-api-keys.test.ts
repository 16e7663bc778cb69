import t from 'tap'
import { newKeyId, newSecret, secretDigest } from '../../src/identity/api-key-text.ts'
import { createPostgresApiKeys } from '../../src/stores/postgres-api-keys.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const admin = { kind: 'bootstrap-key', id: 'GREENROOM_API_KEYS', projectId: undefined } as const
const adminOfA = { kind: 'api-key', id: 'admin-of-a', projectId: 'a' } as const

const database = await startDatabase(t)

function newKey(projectId?: string) {
  return {
    id: newKeyId(),
    name: 'for the test',
    projectId,
    scopes: ['sessions:open', 'sessions:read'] as const,
    digest: secretDigest(newSecret()),
  }
}

void t.test('a key is made, read, rotated and revoked', async (t) => {
  const keys = createPostgresApiKeys(await postgresFor(t, database))
  t.same(await keys.changesSince(0), { revision: 0, keys: [] })
  const made = newKey('a')
  t.match(await keys.create(made, admin), {
    id: made.id,
    projectId: 'a',
    scopes: made.scopes,
    revokedAt: undefined,
  })
  t.match(await keys.changesSince(0), {
    revision: 1,
    keys: [{ id: made.id, digest: made.digest, old: undefined }],
  })
  t.same(await keys.changesSince(1), { revision: 1, keys: [] })

  const digest = secretDigest(newSecret())
  const rotated = await keys.rotate(made.id, { digest, keepOldMs: 60_000 }, admin)
  t.ok((rotated?.oldSecretUntil ?? 0) > (rotated?.rotatedAt ?? 0))
  const { keys: changed } = await keys.changesSince(1)
  t.match(changed, [{ digest, old: { digest: made.digest } }])
  const leftMs = changed[0]?.old?.forMs ?? 0
  t.ok(leftMs > 0 && leftMs <= 60_000)

  t.match(await keys.revoke(made.id, admin), {
    id: made.id,
    revokedAt: Number,
    oldSecretUntil: undefined,
  })
  t.equal(await keys.revoke(made.id, admin), undefined, 'once')
  t.equal(await keys.rotate(made.id, { digest, keepOldMs: 0 }, admin), undefined)
  t.match((await keys.changesSince(2)).keys, [{ id: made.id, revokedAt: Number }])
})

void t.test('a key of another project is as one that is not there', async (t) => {
  const keys = createPostgresApiKeys(await postgresFor(t, database))
  const [a, b, all] = [newKey('a'), newKey('b'), newKey()]
  for (const key of [a, b, all]) await keys.create(key, admin)
  for (const { id } of [b, all]) {
    t.equal(await keys.get(id, 'a'), undefined)
    t.equal(await keys.revoke(id, adminOfA), undefined)
    t.equal(await keys.rotate(id, { digest: a.digest, keepOldMs: 0 }, adminOfA), undefined)
  }
  const idsOf = async (projectId: string | undefined) =>
    (await keys.list({ projectId, limit: 10, after: undefined })).map(({ id }) => id)
  t.same(await idsOf('a'), [a.id])
  t.same(await idsOf(undefined), [a, b, all].map(({ id }) => id).sort())
  const [first = ''] = await idsOf(undefined)
  t.equal((await keys.list({ projectId: undefined, limit: 10, after: first })).length, 2)
})

void t.test('changes made at the same moment are all seen by a reader that reads meanwhile', async (t) => {
  const keys = createPostgresApiKeys(await postgresFor(t, database))
  const made = Array.from({ length: 60 }, () => newKey())
  let writing = true
  const seen = new Set<string>()
  async function follow(): Promise<void> {
    let revision = 0
    for (let last = false; !last; ) {
      last = !writing
      const changes = await keys.changesSince(revision)
      t.ok(changes.revision >= revision)
      revision = changes.revision
      for (const { id } of changes.keys) seen.add(id)
    }
  }
  const following = follow()
  await Promise.all(made.map((key) => keys.create(key, admin)))
  writing = false
  await following
  t.equal(seen.size, made.length)
})
