import type { PoolReport, SessionList } from '../client/api-types.ts'
import type { FollowedEvent } from '../client/event-iteration.ts'
import type { AdmissionReport } from '../domain/admission-counts.ts'
import type { StatusReport } from '../domain/status-report.ts'
import { createAdmissionPanel } from './admission-panel.ts'
import { type AuditEntryView, createAuditList } from './audit-list.ts'
import { type DashboardApi, queryOf } from './dashboard-api.ts'
import { showNote } from './panel-note.ts'
import { type Place, readPlace } from './place.ts'
import { createPoolHistories } from './pool-histories.ts'
import { createPoolTable } from './pool-table.ts'
import { createProblemList } from './problem-list.ts'
import { createReading, type Known } from './reading.ts'
import { createSessionFilters, suggestTypes } from './session-filters.ts'
import { createSessionTable } from './session-table.ts'
import { createStateLine } from './state-line.ts'

/** How often each is read when nothing is heard: counts of pods change without an event. */
const everyMs = { status: 5_000, pools: 3_000, sessions: 10_000, slow: 30_000 } as const
const shownSessions = 25
const shownActions = 12

/** Everything on the page but the drawer: what it reads, how often, and which event makes it read again. */
export function createPanels(api: () => DashboardApi) {
  const histories = createPoolHistories({ api, show: (points) => pools.showHistories(points) })
  const pools = createPoolTable({ onShown: (agentTypes) => histories.follow(agentTypes) })
  const filters = createSessionFilters()
  const readings = createPanelReadings(api, (known) => {
    pools.show(known)
    if (known.value) suggestTypes(known.value.pools.map(({ agentType }) => agentType))
  })
  const all = Object.values(readings)
  let query: string | undefined

  function refresh(): void {
    for (const reading of all) reading.refresh()
  }

  return {
    start() {
      query = sessionsQuery(readPlace())
      for (const reading of all) reading.start()
      pools.restart()
    },
    stop() {
      for (const reading of all) reading.stop()
      histories.stop()
    },
    refresh,
    go(place: Place) {
      filters.show(place)
      const next = sessionsQuery(place)
      if (next === query) return
      query = next
      readings.sessions.restart()
    },
    hear({ type }: FollowedEvent) {
      if (type === 'reset') return refresh()
      readings.pools.refresh()
      if (type.startsWith('session.')) readings.sessions.refresh()
      else readings.status.refresh()
    },
  }
}

type Pools = { readonly pools: readonly PoolReport[] }

function createPanelReadings(api: () => DashboardApi, showPools: (known: Known<Pools>) => void) {
  const ask =
    <T>(path: () => string) =>
    (signal: AbortSignal) =>
      api().ask<T>(path(), { signal })
  const [state, problems, sessions] = [createStateLine(), createProblemList(), createSessionTable()]
  const [admission, audit] = [createAdmissionPanel(), createAuditList()]
  return {
    status: createReading<StatusReport>({
      ask: ask(() => '/v1/status'),
      show: noted(['state', 'attention'], (known) => {
        state.show(known)
        problems.show(known)
      }),
      everyMs: everyMs.status,
    }),
    pools: createReading<Pools>({
      ask: ask(() => '/v1/pools'),
      show: noted(['pools'], showPools),
      everyMs: everyMs.pools,
    }),
    sessions: createReading<SessionList>({
      ask: ask(() => `/v1/sessions${sessionsQuery(readPlace())}`),
      show: noted(['sessions'], (known) => sessions.show(known)),
      everyMs: everyMs.sessions,
    }),
    admission: createReading<AdmissionReport>({
      ask: ask(() => '/v1/admission'),
      show: noted(['admission'], (known) => admission.show(known)),
      everyMs: everyMs.slow,
    }),
    audit: createReading<{ readonly entries: readonly AuditEntryView[] }>({
      ask: ask(() => `/v1/audit?limit=${shownActions}`),
      show: noted(['audit'], (known) => audit.show(known)),
      everyMs: everyMs.slow,
    }),
  }
}

function sessionsQuery({ search, status, agentType, projectId, cursor }: Place): string {
  return queryOf({ search, status, agentType, projectId, cursor, limit: String(shownSessions) })
}

function noted<T>(panels: readonly string[], show: (known: Known<T>) => void): (known: Known<T>) => void {
  return (known) => {
    show(known)
    for (const panel of panels) showNote(panel, known)
  }
}
