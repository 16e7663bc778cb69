import type { ClientSession } from '../../client/client-session.ts'
import { GreenroomError } from '../../errors.ts'
import { joinTalk, type RoomTalk, type TalkAnswer } from './room-talk.ts'

/** The sessions that this server opened for one caller. Their leases are renewed for as long as they are kept. */
export interface KeptSessions {
  keep(session: ClientSession): void
  /** Throws GRN_NOT_OPENED_HERE, and what RoomTalk throws. */
  say(id: string, words: Words): Promise<TalkAnswer>
  /** Gives the pod back; undefined if the session is not kept for this caller. */
  end(id: string): Promise<string | undefined>
  /** How many there are. */
  size(): number
}

/** Those of all callers. */
export interface SessionKeeper {
  of(caller: string): KeptSessions
  /** Ends all of them. Resolves with the ids of those that could not be ended: their leases lapse. */
  endAll(): Promise<readonly string[]>
}

interface Words {
  readonly text: string
  readonly waitMs: number
  readonly signal: AbortSignal
}

interface Kept {
  readonly caller: string
  readonly session: ClientSession
  talk: Promise<RoomTalk> | undefined
  idle: NodeJS.Timeout | undefined
}

/** A model that reads a long document needs minutes; one that is gone must not keep a pod for long. */
const idleMs = 600_000
/** Kubernetes kills a process 30 s after it was told to end. */
const endWithinMs = 5_000

export function createSessionKeeper(forgottenAfterMs = idleMs): SessionKeeper {
  const kept = new Map<string, Kept>()

  async function forget({ session, talk, idle }: Kept): Promise<void> {
    kept.delete(session.id)
    clearTimeout(idle)
    await talk?.then((joined) => joined.leave()).catch(() => undefined)
  }

  async function end(entry: Kept): Promise<string> {
    const { reason = 'unknown' } = await entry.session.end({ requestTimeoutMs: endWithinMs })
    await forget(entry)
    return reason
  }

  /** The caller may have gone without a word. */
  function touch(entry: Kept): void {
    clearTimeout(entry.idle)
    entry.idle = setTimeout(() => void end(entry).catch(() => undefined), forgottenAfterMs)
  }

  async function talkIn(entry: Kept, signal: AbortSignal): Promise<RoomTalk> {
    const { session, talk } = entry
    // A room that was lost is joined anew.
    if (talk && (await talk.then((joined) => joined.isConnected()).catch(() => false))) return talk
    entry.talk = session.livekit({ signal }).then(joinTalk)
    return entry.talk
  }

  return {
    of: (caller) => {
      const own = (id: string) => {
        const found = kept.get(id)
        return found?.caller === caller ? found : undefined
      }
      return {
        keep(session) {
          const entry: Kept = { caller, session, talk: undefined, idle: undefined }
          kept.set(session.id, entry)
          touch(entry)
          void session.over.then(() => forget(entry))
        },
        async say(id, { text, waitMs, signal }) {
          const entry = own(id)
          if (!entry) throw new GreenroomError('GRN_NOT_OPENED_HERE')
          touch(entry)
          const talk = await talkIn(entry, signal)
          return talk.say(text, { sessionId: id, waitMs, signal })
        },
        async end(id) {
          const entry = own(id)
          return entry && end(entry)
        },
        size: () => [...kept.values()].filter((entry) => entry.caller === caller).length,
      }
    },
    async endAll() {
      const entries = [...kept.values()]
      const ended = await Promise.allSettled(entries.map(end))
      // What could not be ended is renewed no more, and must not keep the process.
      await Promise.all(entries.map(forget))
      return entries.flatMap(({ session }, at) => (ended[at]?.status === 'rejected' ? [session.id] : []))
    },
  }
}
