import type { FollowedEvent } from '../client/event-iteration.ts'
import { byId, setText } from './build-element.ts'
import { createDashboardApi, type DashboardApi, isUnauthenticated } from './dashboard-api.ts'
import { createDetailDrawer } from './detail-drawer.ts'
import { createLiveChanges, showLive } from './live-changes.ts'
import { createPanels } from './panels.ts'
import { onPlace, type Place, readPlace } from './place.ts'
import { createPoolDetail } from './pool-detail.ts'
import { createSessionDetail } from './session-detail.ts'
import { createSignIn } from './sign-in.ts'
import { mayEndSessions, maySteerPools, type SignedIn, signedInText } from './signed-in.ts'

/** The page at /dashboard: is it well, what is wrong, what do I type. */

let api: DashboardApi | undefined
let who: SignedIn | undefined

function signedInApi(): DashboardApi {
  if (!api) throw new Error('nobody has signed in')
  return api
}

const panels = createPanels(signedInApi)
const drawer = createDetailDrawer({
  poolDetail: (agentType) =>
    createPoolDetail(agentType, {
      api: signedInApi,
      maySteer: () => maySteerPools(who),
      changed: panels.refresh,
    }),
  sessionDetail: (id) =>
    createSessionDetail(id, { api: signedInApi, mayEnd: () => mayEndSessions(who), changed: panels.refresh }),
})
const live = createLiveChanges({ onEvent: hear })
const signIn = createSignIn({ onCredential: use, onStored: resume })

function hear(event: FollowedEvent): void {
  panels.hear(event)
  drawer.refresh()
}

function apiOf(credential: string): DashboardApi {
  const made = createDashboardApi({
    credential,
    onExpired: () => {
      if (api !== made) return
      rest()
      signIn.expired()
    },
    onStream: (isOpen) => {
      if (api === made) showLive(isOpen ? 'live' : 'connecting', isOpen ? 'Live' : 'Connecting')
    },
  })
  return made
}

/** A credential that was typed. If the server cannot say whose it is, the page begins: each panel tells what it lacks. */
async function use(credential: string): Promise<void> {
  const next = apiOf(credential)
  const answer = await next.ask<SignedIn>('/v1/whoami').catch((error: unknown) => {
    if (isUnauthenticated(error)) throw error
    return undefined
  })
  begin(next)
  if (answer) know(answer)
}

/** The credential that this tab has: everything is asked for at once, also whose it is. */
function resume(credential: string): void {
  const next = apiOf(credential)
  begin(next)
  next.ask<SignedIn>('/v1/whoami').then(
    (answer) => {
      if (api === next) know(answer)
    },
    // Without it no action is offered; a credential that is not taken any more has been told.
    () => undefined,
  )
}

function know(answer: SignedIn): void {
  who = answer
  byId('who').hidden = false
  setText(byId('who'), signedInText(answer))
  drawer.refresh()
}

function begin(next: DashboardApi): void {
  api = next
  who = undefined
  byId('dashboard').hidden = false
  byId('sign-out').hidden = false
  byId('who').hidden = true
  panels.start()
  live.start(next)
  go(readPlace())
  drawer.restart()
}

function rest(): void {
  api = undefined
  panels.stop()
  drawer.stop()
  live.stop()
}

function go(place: Place): void {
  if (!api) return
  panels.go(place)
  drawer.show(place)
}

onPlace(go)
byId('sign-out').addEventListener('click', () => {
  rest()
  byId('dashboard').hidden = true
  byId('sign-out').hidden = true
  byId('who').hidden = true
  signIn.out()
})
signIn.begin()
