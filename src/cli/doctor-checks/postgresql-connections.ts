import type { Pool } from 'pg'
import { unlessMissing } from '../../cluster/kube-api-error.ts'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import { type DoctorCheck, failed, ok, warning } from './doctor-check.ts'

/** Of one session server at most, as docs/operate/postgresql.md counts them, and beside all of them. */
const perReplica = 52
const beside = 10
/** As the manifests of the base and the HorizontalPodAutoscaler have it, where no cluster tells. */
const usualReplicas = 2

const deployment = 'session-management-server'
const autoscaler = 'backend-hpa'

export const postgresqlConnections: DoctorCheck<'postgresql'> = {
  name: 'postgresql-connections',
  title: 'PostgreSQL has a connection for every replica',
  when: 'always',
  part: 'postgresql',
  why: `A session server opens up to ${perReplica} connections, and a roll-out runs one replica more.`,
  fix: 'psql "$DATABASE_URL" -c "ALTER SYSTEM SET max_connections = 200" # then restart PostgreSQL',
  async run(pool, { kubernetes, config }) {
    const most = await connectionsOf(pool)
    const replicas = await replicasIn(await kubernetes(), config.GREENROOM_NAMESPACE)
    const wanted = (count: number) => perReplica * (count + 1) + beside
    const needs = (count: number) => `${count} replicas need ${wanted(count)}`
    if (most < wanted(replicas.now))
      return failed(`${most} connections are possible; ${needs(replicas.now)}.`)
    if (most < wanted(replicas.most))
      return warning(
        `${most} connections are possible; ${needs(replicas.most)}, up to which ${autoscaler} scales.`,
      )
    return ok(`${most} connections are possible; ${needs(replicas.most)}.`)
  },
}

/** What this role may open in this database: the server's, the role's and the database's limit. */
async function connectionsOf(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ server: number; role: number; database: number }>(
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS server,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database`,
  )
  const { server = 0, role = -1, database = -1 } = rows[0] ?? {}
  return Math.min(server, ...[role, database].filter((limit) => limit >= 0))
}

async function replicasIn(
  clients: KubeClients | undefined,
  namespace: string,
): Promise<{ readonly now: number; readonly most: number }> {
  const [wanted, scaled] = clients
    ? await Promise.all([
        readJson<{ spec: { replicas?: number } }>(
          clients,
          `/apis/apps/v1/namespaces/${namespace}/deployments/${deployment}`,
        ),
        readJson<{ spec: { maxReplicas: number } }>(
          clients,
          `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/${autoscaler}`,
        ),
      ])
    : []
  const now = wanted?.spec.replicas ?? usualReplicas
  return { now, most: Math.max(now, scaled?.spec.maxReplicas ?? now) }
}

/** Undefined where it is not there, or may not be read: then the usual number counts. */
async function readJson<T>({ transport }: KubeClients, path: string): Promise<T | undefined> {
  return unlessMissing(transport.getJson<T>(path)).catch(() => undefined)
}
