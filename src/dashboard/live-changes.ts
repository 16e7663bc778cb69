import type { FollowedEvent } from '../client/event-iteration.ts'
import { byId, setText } from './build-element.ts'
import { type DashboardApi, isForbidden, isUnauthenticated } from './dashboard-api.ts'

/** Follows what happens, for the panels to read again what it concerns; comes back by itself after every break. */
export function createLiveChanges({ onEvent }: { readonly onEvent: (event: FollowedEvent) => void }) {
  let following = new AbortController()

  async function follow(api: DashboardApi, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of api.follow(signal)) onEvent(event)
    } catch (error) {
      if (signal.aborted || isUnauthenticated(error)) return
      showLive('off', isForbidden(error) ? 'Not live: needs sessions:read' : 'Not live')
    }
  }

  return {
    start(api: DashboardApi) {
      following.abort()
      following = new AbortController()
      void follow(api, following.signal)
    },
    stop() {
      following.abort()
      showLive('off', 'Not connected')
    },
  }
}

/** Whether changes are heard as they happen, or seen only when a panel is read again. */
export function showLive(state: 'live' | 'connecting' | 'off', text: string): void {
  byId('live').dataset.state = state
  setText(byId('live-text'), text)
}
