import type { PoolReport } from '../../src/domain/pool-report.ts'
import { newSession } from '../http/api-bed.ts'
import { nothingMore, poolReport, type startDashboard, well } from './dashboard-bed.ts'

/** What an operator finds at three in the morning: Redis is away, one pool has no image, another is frozen. */

const minute = 60_000

export function tellOfTheNight({ world, rows }: Awaited<ReturnType<typeof startDashboard>>): void {
  const ago = (minutes: number) => new Date(Date.now() - minutes * minute).toISOString()
  world.pools = [echoPool(), imagelessPool(ago), frozenPool()]
  world.status = nightStatus(ago)
  world.admission = {
    ...world.admission,
    since: ago(60),
    rows: [
      { rule: 'images', namespace: 'ai-agents', denied: 17, changed: 0, warned: 0 },
      { rule: 'resources', namespace: 'ai-agents', denied: 2, changed: 41, warned: 0 },
      { rule: 'security-context', namespace: 'ai-agents', denied: 0, changed: 41, warned: 0 },
      { rule: 'grace-period', namespace: 'ai-agents', denied: 0, changed: 0, warned: 3 },
    ],
    drift: { change: 2, deny: 0 },
  }
  const actions = [
    'session.end',
    'rollout.pause',
    'key.create',
    'session.end',
    'limits.set',
    'session.end',
  ] as const
  world.audit = actions.map((action, n) => ({
    id: idOf(n),
    at: Date.now() - n * 7 * minute,
    by: { kind: 'api-key', id: '7hq2m4x9c1ab' },
    projectId: undefined,
    action,
    subject: action === 'session.end' ? idOf(n + 40) : 'stella-agent',
  }))
  rows.clear()
  for (let n = 0; n < 12; n += 1) rows.set(idOf(n), nightSession(n))
}

function nightStatus(ago: (minutes: number) => string): typeof well {
  const fine = (part: (typeof well)['parts'][number]['part'], detail: string) =>
    ({ part, state: 'ok', detail, ...nothingMore() }) as const
  return {
    ...well,
    state: 'attention',
    parts: [
      fine('kubernetes', 'The watch of pods stands.'),
      fine('postgresql', 'It answers.'),
      {
        part: 'redis',
        state: 'down',
        detail: 'Redis does not take a write.',
        ...nothingMore(),
        since: ago(4),
      },
      { part: 'livekit', state: 'off', detail: 'This installation has no LiveKit.', ...nothingMore() },
      fine('webhook', 'All 3 replicas serve.'),
      { ...fine('webhook-certificate', 'It is good until 2026-03-22T04:48:00.000Z.'), daysLeft: 62.4 },
      {
        ...fine('controller', 'It leads, and has noted what it finds.'),
        leader: 'session-management-server-1',
      },
      fine('agent-policy', 'The newest version is in force.'),
      fine('agent-pools', 'The newest version is in force.'),
    ],
    problems: [
      {
        code: 'GRN_REDIS_UNAVAILABLE',
        subject: 'redis',
        what: 'Redis does not serve as it should: claims go on, and each replica has a queue of its own.',
        cause: 'Redis does not take a write.',
        command: 'greenroom doctor',
        since: ago(4),
      },
      {
        code: 'image',
        subject: 'pool stella-agent',
        what: 'The pool stella-agent does not get the pods that it wants.',
        cause:
          'Back-off pulling image "registry.example/stella:1.9.0": not found. Check the name of the image and the pull secret.',
        command: 'kubectl -n ai-agents get pods -l greenroom.dev/pool=stella-agent -o wide',
        since: ago(9),
      },
    ],
    totals: { pools: 3, idle: 8, warming: 4, claimed: 51, waiting: 4, sessions: 51 },
  }
}

function echoPool(): PoolReport {
  return poolReport({
    sizing: {
      mode: 'apply',
      target: 6,
      sentence:
        'Keeps 6 idle: 0.42 sessions a second and 3.1 s until a pod is Ready need 5 for a hit rate of 99.9 %, and last week this hour needed 6.',
      terms: {
        rule: 'hitRate',
        goal: 0.999,
        claimsPerSecond: 0.42,
        dispersion: 1.3,
        leadMeanSeconds: 3.1,
        leadP99Seconds: 6.2,
        inFlight: 1.3,
        quantile: 5,
        season: 6,
        feedback: 0,
        schedule: 0,
        hold: 6,
        min: 4,
        room: 22,
        boundBy: 'season',
        target: 6,
      },
    },
  })
}

function imagelessPool(ago: (minutes: number) => string): PoolReport {
  return poolReport({
    agentType: 'stella-agent',
    ready: 0,
    warming: 3,
    waiting: 4,
    claimed: 38,
    hitRate: 0.9412,
    problem: {
      cause: 'image',
      message: 'Back-off pulling image "registry.example/stella:1.9.0": not found.',
      count: 17,
      since: ago(9),
      lastAt: ago(0),
      nextTryAt: undefined,
      remedy: 'Check the name of the image and the pull secret.',
    },
  })
}

function frozenPool(): PoolReport {
  return poolReport({
    agentType: 'alfred-agent',
    boundBy: 'frozen',
    message: 'The pool is frozen: no pod of it is made, replaced or removed.',
    ready: 2,
    warming: 0,
    claimed: 1,
    hitRate: 1,
  })
}

function nightSession(n: number) {
  const ended = n % 3 === 2
  const createdAt = Date.now() - n * 97_000 - 4_000
  return newSession({
    id: idOf(n),
    createdAt,
    activeAt: createdAt + 12,
    status: n === 0 ? 'PENDING' : ended ? 'ENDED' : 'ACTIVE',
    endReason: !ended ? undefined : n % 2 === 0 ? 'ended:caller' : 'lapsed:lease',
    endedAt: ended ? Date.now() - n * 41_000 : undefined,
    agentType: n % 4 === 1 ? 'stella-agent' : 'echo-agent',
    projectId: n % 2 === 0 ? 'checkout' : 'support',
    metadata: { topic: 'an order that did not arrive', language: 'de' },
    pod: { uid: idOf(n), name: `${n % 4 === 1 ? 'stella' : 'echo'}-agent-x7k${n}p`, ip: `10.42.0.${n + 10}` },
  })
}

/** Of version 7, as sessions have them. */
function idOf(n: number): string {
  const digits = ((n + 1) * 2_654_435_761).toString(16).padStart(12, '0').slice(-12)
  return `0198c0de-5a${(16 + n).toString(16)}-7b3c-9d4f-${digits}`
}
