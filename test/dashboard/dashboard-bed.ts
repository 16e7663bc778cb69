import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { AdmissionReport } from '../../src/domain/admission-counts.ts'
import type { AuditEntry } from '../../src/domain/audit.ts'
import type { Caller } from '../../src/domain/caller.ts'
import type { SessionEvent } from '../../src/domain/event.ts'
import type { PoolChange } from '../../src/domain/pool-change.ts'
import type { PoolReport } from '../../src/domain/pool-report.ts'
import type { RevisionReport, RolloutReport } from '../../src/domain/rollout-report.ts'
import type { SessionCourse } from '../../src/domain/session-timeline.ts'
import type { StatusReport } from '../../src/domain/status-report.ts'
import { textDiff } from '../../src/domain/text-diff.ts'
import { GreenroomError } from '../../src/errors.ts'
import type { ApiAppDeps } from '../../src/http/api-app.ts'
import type { EventSink } from '../../src/sessions/follow-events.ts'
import { apiKey, startApi } from '../http/api-bed.ts'
import { openPage } from '../support/browser.ts'

/** The page over the session API, with use cases that answer what a test says; the page and HTTP are what is tested. */

type Readable = 'pools' | 'status' | 'sessions' | 'audit' | 'admission'

export interface World {
  pools: PoolReport[]
  status: StatusReport
  audit: AuditEntry[]
  admission: AdmissionReport
  course: Partial<SessionCourse>
  rollout: RolloutReport
  /** Whether the API may change agent-pools. */
  writable: boolean
  /** Names of pods. */
  retired: string[]
  /** Reads that fail now. */
  failing: Set<Readable>
  caller: Caller | undefined
}

export const everything: Caller = {
  kind: 'api-key',
  id: '7hq2m4x9c1ab',
  projectId: undefined,
  scopes: new Set(['admin']),
}

export const well: StatusReport = {
  at: '2026-03-01T09:00:00.000Z',
  state: 'ok',
  parts: [
    { part: 'kubernetes', state: 'ok', detail: 'The pods are watched.', ...nothingMore() },
    { part: 'redis', state: 'ok', detail: 'It takes writes.', ...nothingMore() },
    { part: 'webhook-certificate', state: 'ok', detail: 'It is good.', ...nothingMore(), daysLeft: 62.4 },
  ],
  problems: [],
  totals: { pools: 1, idle: 6, warming: 1, claimed: 12, waiting: 0, sessions: 12 },
}

const noChange: PoolChange = {
  agentType: 'echo-agent',
  changed: false,
  dryRun: false,
  diff: '',
  generation: undefined,
  writable: true,
  command: 'kubectl -n ai-agents edit configmap agent-pools',
}

const quiet: AdmissionReport = {
  at: '2026-03-01T09:00:00.000Z',
  since: '2026-03-01T08:00:00.000Z',
  replicas: { asked: 3, answered: 3 },
  rows: [],
  drift: { change: 0, deny: 0 },
}

const opened: SessionCourse = {
  wait: undefined,
  reserve: 0.42,
  commit: 2.1,
  deliver: 6.8,
  activate: 1.3,
  createdAt: Date.UTC(2026, 2, 1, 9),
  activeAt: Date.UTC(2026, 2, 1, 9, 0, 0, 12),
  agentJoinedAt: Date.UTC(2026, 2, 1, 9, 0, 0, 320),
  participantJoinedAt: undefined,
  renewals: 3,
  renewedAt: Date.UTC(2026, 2, 1, 9, 2),
  endingAt: undefined,
  endedAt: undefined,
  endReason: undefined,
  endDetail: undefined,
}

/** A point a minute, as the leader keeps them, up to how the pool is now. */
function lastMinutes(pool: PoolReport | undefined, minutes: number) {
  const minute = 60_000
  const now = Math.floor(Date.now() / minute) * minute
  const wave = (n: number, about: number) => Math.max(0, Math.round(about * (1 + 0.35 * Math.sin(n / 5))))
  return Array.from({ length: minutes }, (_, n) => ({
    at: new Date(now - n * minute).toISOString(),
    // A pool without idle pods had some until nine minutes ago.
    idle: pool?.ready === 0 && n > 9 ? wave(n, 4) : wave(n, pool?.ready ?? 0),
    claimed: wave(n, pool?.claimed ?? 0),
    waiting: n > 9 ? 0 : Math.min(pool?.waiting ?? 0, 9 - n),
    hitRate: 1,
  })).reverse()
}

const rolledOut: RolloutReport = {
  agentType: 'echo-agent',
  phase: 'done',
  message: 'All pods have the current revision.',
  current: revision('a1b2c3d4', 'registry.example/echo:1.8.0', 0),
  target: { templateHash: '9f86d081884c7d65', image: 'registry.example/echo:1.8.0' },
  pods: { fresh: { idle: 6, claimed: 12 }, drifted: { idle: 0, claimed: 0 } },
  canary: undefined,
  revisions: [
    revision('a1b2c3d4', 'registry.example/echo:1.8.0', 0),
    revision('0c9d8e7f', 'registry.example/echo:1.7.2', 1),
  ],
}

function revision(name: string, image: string, daysAgo: number): RevisionReport {
  return {
    revision: name,
    image,
    templateHash: '9f86d081884c7d65',
    policyDigest: undefined,
    assignKeyId: undefined,
    since: new Date(Date.UTC(2026, 1, 28 - daysAgo, 9)).toISOString(),
    verdict: 'good',
    reason: undefined,
  }
}

export function nothingMore() {
  return { since: undefined, daysLeft: undefined, leader: undefined, generation: undefined }
}

export function poolReport(overrides: Partial<PoolReport> = {}): PoolReport {
  return {
    agentType: 'echo-agent',
    desired: { min: 4, max: 40 },
    ready: 6,
    warming: 1,
    claimed: 12,
    draining: 0,
    failed: 0,
    waiting: 0,
    hitRate: 0.9987,
    boundBy: undefined,
    message: undefined,
    configuration: { seen: '184467', applied: '184467', problems: undefined },
    ...overrides,
  }
}

export async function startDashboard(t: Test, overrides: Partial<ApiAppDeps> = {}) {
  const world: World = {
    pools: [poolReport()],
    status: well,
    audit: [],
    admission: quiet,
    course: {},
    rollout: rolledOut,
    writable: true,
    retired: [],
    failing: new Set(),
    caller: everything,
  }
  const unless = async <T>(part: Readable, value: () => T): Promise<T> => {
    if (world.failing.has(part))
      throw new GreenroomError('GRN_DATABASE_UNAVAILABLE', 'PostgreSQL does not answer.')
    return value()
  }
  const sinks = new Set<EventSink>()
  function changePool(change: Partial<PoolReport>): PoolChange {
    world.pools = world.pools.map((pool) =>
      pool.agentType === change.agentType ? { ...pool, ...change } : pool,
    )
    return { ...noChange, changed: true }
  }
  function steer(phase: RolloutReport['phase']): RolloutReport {
    world.rollout = { ...world.rollout, phase }
    return world.rollout
  }
  const api = await startApi(t, {
    dashboard: true,
    identify: (bearer) => (bearer === apiKey ? world.caller : undefined),
    followEvents: {
      assertReady() {},
      async follow(_, sink) {
        sinks.add(sink)
        sink.signal.addEventListener('abort', () => sinks.delete(sink))
      },
      hasSeenAll: async () => false,
    },
    readPools: {
      all: () => unless('pools', () => world.pools),
      one: (agentType) => unless('pools', () => world.pools.find((pool) => pool.agentType === agentType)),
    },
    readStatus: () => unless('status', () => world.status),
    readPoolHistory: async (agentType, minutes) => ({
      agentType,
      points: lastMinutes(
        world.pools.find((pool) => pool.agentType === agentType),
        minutes,
      ),
    }),
    steerRollout: {
      read: async () => world.rollout,
      pause: async () => steer('paused'),
      resume: async () => steer('rolling'),
      undo: async () => steer('undone'),
    },
    steerPools: {
      freeze: async (agentType) => changePool({ agentType, boundBy: 'frozen' }),
      thaw: async (agentType) => changePool({ agentType, boundBy: undefined }),
      async resize(agentType, { min = 0, max = 0, dryRun }) {
        const before = world.pools.find((pool) => pool.agentType === agentType)?.desired ?? { min, max }
        if (min > max) throw new GreenroomError('GRN_INVALID_POOLS', 'min is above max.')
        const diff = textDiff(`min: ${before.min}\nmax: ${before.max}\n`, `min: ${min}\nmax: ${max}\n`)
        const change = dryRun ? undefined : changePool({ agentType, desired: { min, max } })
        return { ...noChange, ...change, agentType, dryRun, diff, writable: world.writable }
      },
      async retirePod(agentType, pod) {
        world.retired.push(pod)
        return { agentType, pod, uid: 'uid' }
      },
    },
    readAdmission: () => unless('admission', () => world.admission),
    timelines: { course: async () => ({ ...opened, ...world.course }) },
    auditLog: { list: () => unless('audit', () => world.audit) },
    listSessions: () =>
      unless('sessions', () => ({ sessions: [...api.rows.values()].slice(0, 25), hasMore: false })),
    ...overrides,
  })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.app.server.address() as AddressInfo
  let number = 0
  /** Tells all followers of something. */
  function happen(event: Omit<SessionEvent, 'id' | 'at'>): void {
    number += 1
    const whole = { ...event, id: String(number), at: new Date().toISOString() }
    for (const sink of sinks) sink.event({ number, event: whole, json: JSON.stringify(whole) })
  }
  return { ...api, world, happen, url: `http://127.0.0.1:${port}/dashboard` }
}

/** A page on which somebody has signed in. */
export async function openDashboard(browser: Browser, url: string, options: BrowserContextOptions = {}) {
  // A dialog that still appears is not as legible as one that is there.
  const watched = await openPage(browser, { reducedMotion: 'reduce', ...options })
  await watched.page.goto(url)
  await signIn(watched.page)
  return watched
}

export async function signIn(page: Page, credential: string = apiKey): Promise<void> {
  await page.getByLabel('API key or token').fill(credential)
  await page.keyboard.press('Enter')
}
