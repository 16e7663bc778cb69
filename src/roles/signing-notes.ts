import type { SignerLedger } from '../domain/session-ports.ts'
import { every } from '../timing/every.ts'
import type { RoleContext } from './role.ts'

interface SigningNotes {
  readonly signers: Pick<SignerLedger, 'note' | 'leave'>
  readonly keyIds: readonly string[]
}

/** As often as a replica notes its liveness. */
const everyMs = 1_000

/**
 * Notes which keys this process signs with, from before it signs until it stops. The controller takes no old public key
 * away that a process still signs with.
 */
export async function startSigningNotes(
  { signers, keyIds }: SigningNotes,
  { lifecycle, logger, metrics, instance }: RoleContext,
): Promise<void> {
  const stopping = new AbortController()
  let loop: Promise<void> | undefined
  await lifecycle.start({
    name: 'signing notes',
    async start() {
      await signers.note(instance, keyIds)
      const options = { name: 'signing-notes', everyMs, signal: stopping.signal, logger, metrics }
      loop = every(options, () => signers.note(instance, keyIds))
    },
    async stop() {
      stopping.abort()
      await loop
      // A note that stays has no say after a while.
      await signers.leave(instance).catch((error: unknown) => {
        logger.warn({ err: error }, 'could not take back the note of the keys that this process signs with')
      })
    },
  })
}
