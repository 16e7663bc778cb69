import type { LiveKitAccess } from '../domain/assign-contract.ts'

/**
 * The agent's access to its LiveKit room. A token is good for ten minutes and serves to join; who is in the room stays.
 * A fresh one comes with a repeated /assign, or when the agent asks for it.
 */
export interface RoomPass {
  /** The newest access; undefined while there is none (LiveKit is not configured). */
  access(): LiveKitAccess | undefined
  /** Asks the session server for a fresh token. Resolves with the newest access, also when the server gave none. */
  refresh(): Promise<LiveKitAccess | undefined>
  /** Resolves when another access than the present one has come. */
  changed(): Promise<void>
}

/** The SDK's side of a {@link RoomPass}. */
export interface HeldRoomPass extends RoomPass {
  replace(access: LiveKitAccess | undefined): void
}

export function createRoomPass(
  first: LiveKitAccess | undefined,
  askServer: () => Promise<LiveKitAccess | undefined>,
): HeldRoomPass {
  let newest = first
  let change = Promise.withResolvers<void>()
  let asking: Promise<LiveKitAccess | undefined> | undefined

  function replace(access: LiveKitAccess | undefined): void {
    if (!access || access.token === newest?.token) return
    newest = access
    change.resolve()
    change = Promise.withResolvers<void>()
  }
  async function ask(): Promise<LiveKitAccess | undefined> {
    replace(await askServer())
    return newest
  }

  return {
    access: () => newest,
    refresh() {
      asking ??= ask().finally(() => {
        asking = undefined
      })
      return asking
    },
    changed: () => change.promise,
    replace,
  }
}
