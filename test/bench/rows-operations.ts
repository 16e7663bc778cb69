import { randomUUID } from 'node:crypto'
import type { SessionQuery } from '../../src/domain/session-ports.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'
import { newOpenRecord } from './bench-records.ts'
import type { RowsVersion } from './rows-version.ts'

interface Operation {
  /** Rejects when it was not answered in time. */
  readonly run: () => Promise<unknown>
  /** In a round; less than usual where one takes long. */
  readonly calls?: number
}

const agentType = 'agent-1'
const pageOf = 51
const heavy = 10

/** What is measured, on one database of one version. */
export async function rowsOperations(version: RowsVersion, pods: number): Promise<Record<string, Operation>> {
  const { sessions, ledger, audit, events, timelines, poolPods, invariants, postgres } = version
  const opened: string[] = []
  const activated: string[] = []
  const { rows: facts } = await postgres.reports.query<{
    id: string
    at: number
    entry: string
    last: number
  }>(`
    SELECT id, (extract(epoch FROM created_at) * 1000)::float8 AS at,
      (SELECT id FROM audit_log ORDER BY id LIMIT 1 OFFSET 10) AS entry, (SELECT last::float8 FROM event_numbers) AS last
    FROM sessions WHERE status = 'ENDED' ORDER BY created_at LIMIT 1 OFFSET 10`)
  const [{ id, at, entry, last }] = facts as [(typeof facts)[number]]
  const list = (query: Omit<SessionQuery, 'limit'>): Operation => ({
    run: () => sessions.list({ ...query, limit: pageOf }),
  })
  const deep = { before: { createdAt: at, id } }
  const view = await podsOf(version, pods)
  const readPools = version.readPools(view)
  return {
    'open, decided': {
      async run() {
        const record = newOpenRecord(randomUUID(), agentType)
        await poolPods.note([{ podUid: record.pod.uid, agentType, templateHash: '', specDigest: '' }])
        const { kind } = await sessions.commitOpen(record)
        if (kind !== 'committed') throw new Error(kind)
        opened.push(record.id)
      },
    },
    activate: {
      async run() {
        const next = opened.shift()
        if (next === undefined || !(await sessions.activate(next, 1))) throw new Error('nothing to activate')
        activated.push(next)
      },
    },
    renew: { run: () => sessions.renew(activated.at(-1) ?? '', 1) },
    'number events': { run: () => events.number(), calls: 2 },
    get: { run: () => sessions.get(id) },
    timeline: { run: () => timelines.course(id, undefined) },
    'list, first': list({}),
    'list, deep': list(deep),
    'list, project, deep': list({ ...deep, projectId: 'project-7' }),
    'list, project and type': list({ projectId: 'project-7', agentType: 'agent-3' }),
    'list, unknown type': list({ agentType: 'none' }),
    'list, ACTIVE, deep': list({ ...deep, status: 'ACTIVE' }),
    'list, ENDING': list({ status: 'ENDING' }),
    'list, ENDED of a type': list({ status: 'ENDED', agentType: 'agent-3' }),
    'audit, first': { run: () => audit.list({ projectId: undefined, limit: pageOf, before: undefined }) },
    'audit, deep': { run: () => audit.list({ projectId: undefined, limit: pageOf, before: entry }) },
    'audit of a project, deep': {
      run: () => audit.list({ projectId: 'project-7', limit: pageOf, before: entry }),
    },
    'events, newest page': { run: () => events.read(last - 200) },
    'events of a session': { run: () => events.read(0, { sessionId: id }) },
    [`pools, ${pods} pods`]: { run: () => readPools.all(), calls: heavy },
    'lapsed leases': { run: () => ledger.lapse(100) },
    'invariants, 100 pods': {
      run: () =>
        invariants.read(
          view
            .all()
            .slice(0, 100)
            .map(({ uid }) => uid),
        ),
      calls: 2,
    },
    'purge, nothing old': {
      async run() {
        await ledger.purge({ sessionsAfterMs: 30 * dayMs, claimsAfterMs: 30 * dayMs, limit: 1_000 })
        await audit.purge({ afterMs: 400 * dayMs, limit: 1_000 })
      },
      calls: heavy,
    },
  }
}

const dayMs = 86_400_000

/** Half of them serve one of the live sessions, as far as there are so many. */
async function podsOf({ postgres }: RowsVersion, count: number) {
  const { rows } = await postgres.reports.query<{ uid: string; type: string }>(
    `SELECT pod_uid AS uid, agent_type AS type FROM sessions WHERE status = 'ACTIVE' LIMIT $1`,
    [Math.floor(count / 2)],
  )
  const idle = Array.from({ length: count - rows.length }, (_, n) => ({
    uid: randomUUID(),
    type: `agent-${n % 20}`,
  }))
  const { view, set } = createFakePodView()
  for (const { uid, type } of [...rows, ...idle]) set(readyPod({ uid, agentType: type }))
  const byPool = Map.groupBy(view.all(), (pod) => pod.agentType)
  return { ...view, byPool: (type: string) => byPool.get(type) ?? [] }
}
