import type { ApiKey, KeyLedger, KeyQuery } from '../domain/api-key.ts'
import type { Caller } from '../domain/caller.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import { GreenroomError } from '../errors.ts'
import { apiKeyText, newKeyId, newSecret, secretDigest } from './api-key-text.ts'
import type { KnownKeys } from './known-keys.ts'

interface ManageKeysDeps {
  readonly keys: KeyLedger
  readonly known: Pick<KnownKeys, 'look'>
  readonly wakes: Pick<WakeBus, 'publish'>
}

/** The key with its text, which is shown once and stored nowhere. */
export interface ShownKey {
  readonly key: ApiKey
  readonly text: string
}

/** `/v1/keys`. A caller that is bound to a project sees and changes the keys of that project only. */
export function createManageKeys({ keys, known, wakes }: ManageKeysDeps) {
  /** The answer is given once this replica knows of the change; the others learn it from the wake-up. */
  async function announce(keyId: string): Promise<void> {
    wakes.publish({ kind: 'keys', keyId })
    // The change is made. If it cannot be read now, the look of the next second reads it.
    await known.look().catch(() => {})
  }

  async function present(id: string, { projectId }: Caller): Promise<ApiKey> {
    const key = await keys.get(id, projectId)
    if (!key) throw new GreenroomError('GRN_KEY_NOT_FOUND', `There is no key ${id.slice(0, 64)}.`)
    return key
  }

  return {
    async create(caller: Caller, asked: Pick<ApiKey, 'name' | 'projectId' | 'scopes'>): Promise<ShownKey> {
      const [id, secret] = [newKeyId(), newSecret()]
      const key = await keys.create({ ...asked, id, digest: secretDigest(secret) }, caller)
      await announce(id)
      return { key, text: apiKeyText({ id, secret }) }
    },

    list: (query: KeyQuery): Promise<readonly ApiKey[]> => keys.list(query),

    async rotate(caller: Caller, id: string, keepOldMs: number): Promise<ShownKey> {
      const secret = newSecret()
      const key = await keys.rotate(id, { digest: secretDigest(secret), keepOldMs }, caller)
      if (!key) {
        await present(id, caller)
        throw new GreenroomError('GRN_KEY_REVOKED', `The key ${id} is revoked.`)
      }
      await announce(id)
      return { key, text: apiKeyText({ id, secret }) }
    },

    async revoke(caller: Caller, id: string): Promise<ApiKey> {
      const revoked = await keys.revoke(id, caller)
      if (revoked) await announce(id)
      return revoked ?? present(id, caller)
    },
  }
}

export type ManageKeys = ReturnType<typeof createManageKeys>
