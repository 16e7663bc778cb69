import type * as Rtc from '@livekit/rtc-node'

/** LiveKit's library for Node. It is an optional peer: only agents that join a room load it. */
export type RtcModule = typeof Rtc

let loading: Promise<RtcModule> | undefined

/** @throws Error when `@livekit/rtc-node` is not installed */
export function loadRtc(): Promise<RtcModule> {
  loading ??= load()
  return loading
}

async function load(): Promise<RtcModule> {
  const before = process.env.NODE_ENV
  // At import the library decides how much it logs to stdout: every connect, unless this says `production`.
  process.env.NODE_ENV ??= 'production'
  try {
    return await import('@livekit/rtc-node')
  } catch (error) {
    throw new Error('joinRoom needs the package @livekit/rtc-node', { cause: error })
  } finally {
    if (before === undefined) delete process.env.NODE_ENV
  }
}

/** Discard. Nothing listens there, so a connect to it ends at once. */
const closedPort = 9

/**
 * Loads the library and makes it connect once, to a closed port of this machine, while nobody waits: for `onReady`. The
 * import is 70–95 ms of a join, the first use of its native part some 10 ms more. It costs an idle agent 12 MB where
 * several share the library's pages, 40 MB where it is alone.
 */
export async function warmRoom(): Promise<void> {
  const rtc = await loadRtc()
  await new rtc.Room().connect(`ws://127.0.0.1:${closedPort}`, 'none').catch(() => undefined)
}
