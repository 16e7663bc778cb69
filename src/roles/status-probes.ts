import type { V1Lease } from '@kubernetes/client-node'
import type { PodInformer } from '../cluster/pod-informer.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import type { DocumentStatus } from '../domain/document-status.ts'
import type { LeaderReport } from '../domain/leader-findings.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import { type FoundPart, leaderSilentMs, type StatusProbes } from '../sessions/read-status.ts'
import { createSharedLook } from '../timing/shared-look.ts'
import type { WebhookReplicaStatus } from '../webhook/status-route.ts'
import type { Stores } from './stores.ts'
import type { AskReplicas, ReplicaAnswer } from './webhook-replicas.ts'

interface StatusProbesDeps {
  readonly pods: Pick<PodInformer, 'synced' | 'staleSince'>
  readonly pools: Pick<DocumentView<PoolsDocument>, 'status'>
  readonly stores: Pick<Stores, 'ping' | 'probeRedis' | 'leaderReports'>
  /** Whether Redis has the index of every pool, by the last look. */
  readonly indexIsWell: () => boolean
  /** undefined where no LiveKit is configured. */
  readonly askLiveKit: (() => Promise<void>) | undefined
  /** undefined where the webhook is not to be asked. */
  readonly askWebhooks: AskReplicas | undefined
  /** undefined: there is no such Lease. */
  readonly readLease: () => Promise<V1Lease | undefined>
  /** Epoch ms. */
  readonly clock: () => number
}

/** As the alert GreenroomWebhookCertificateExpires has it: a certificate of thirty days is renewed ten days before. */
const certificateSoonDays = 2
const dayMs = 86_400_000
/** A refused document can have many problems, and a detail is one sentence. */
const mostDetailChars = 300

/** One question of a part may serve three lines. */
const askedOnce = { withinMs: 1_000, keptMs: 1_000 } as const

/** How each line of GET /v1/status is asked for in this replica. */
export function createStatusProbes(deps: StatusProbesDeps): StatusProbes {
  const { pods, pools, stores, askLiveKit, askWebhooks, clock } = deps
  const lookAtWebhooks =
    askWebhooks &&
    createSharedLook({
      ask: (signal) => askWebhooks<WebhookReplicaStatus>('/status', signal),
      ...askedOnce,
      now: clock,
    })

  async function webhooks(): Promise<readonly ReplicaAnswer<WebhookReplicaStatus>[] | undefined> {
    const look = await lookAtWebhooks?.()
    if (look?.kind === 'failed') throw new Error(look.reason)
    return look?.value
  }

  return {
    kubernetes: async () => {
      const since = pods.staleSince()
      if (!pods.synced()) return { state: 'down', detail: 'The API server has not listed the pods yet.' }
      if (since === undefined) return { state: 'ok', detail: 'The API server is watched.' }
      return {
        state: 'degraded',
        detail: 'The API server does not answer; what it said last is used.',
        since,
      }
    },
    postgresql: () => serves('PostgreSQL', stores.ping()),
    redis: async () => {
      if (!(await stores.probeRedis())) return { state: 'down', detail: 'Redis does not take a write.' }
      if (deps.indexIsWell()) return { state: 'ok', detail: 'Redis answers.' }
      return { state: 'degraded', detail: 'Redis has not got the index of every pool.' }
    },
    livekit: async () =>
      askLiveKit ? serves('LiveKit', askLiveKit()) : { state: 'off', detail: 'LIVEKIT_* is not set.' },
    webhook: async () => webhookPart(await webhooks()),
    'webhook-certificate': async () => certificatePart(await webhooks(), clock()),
    controller: () => controllerPart(deps),
    'agent-policy': async () =>
      policyPart(await webhooks().catch(() => undefined), () => stores.leaderReports.read()),
    'agent-pools': async () => documentPart(pools.status()),
  }
}

async function serves(name: string, answer: Promise<void>): Promise<FoundPart> {
  try {
    await answer
    return { state: 'ok', detail: `${name} answers.` }
  } catch (error) {
    return { state: 'down', detail: `${name} does not answer: ${reasonOf(error)}.` }
  }
}

const notAsked: FoundPart = { state: 'off', detail: 'Not asked: GREENROOM_WEBHOOK_OPS_URL is not set.' }

function webhookPart(replicas: readonly ReplicaAnswer<WebhookReplicaStatus>[] | undefined): FoundPart {
  if (!replicas) return notAsked
  const ready = replicas.filter(({ answer }) => answer?.ready === true).length
  const silent = replicas.filter(({ answer }) => answer === undefined).length
  const detail = `${ready} of ${replicas.length} replicas are ready${silent > 0 ? `, and ${silent} do not answer` : ''}.`
  if (ready === replicas.length) return { state: 'ok', detail }
  return { state: ready > 0 ? 'degraded' : silent === replicas.length ? 'unknown' : 'down', detail }
}

function certificatePart(
  replicas: readonly ReplicaAnswer<WebhookReplicaStatus>[] | undefined,
  now: number,
): FoundPart {
  if (!replicas) return notAsked
  const ends = replicas.flatMap(({ answer }) => answer?.certificateEndsAt ?? [])
  if (ends.length === 0)
    return { state: 'unknown', detail: 'No replica of the webhook says which certificate it has.' }
  const first = Math.min(...ends.map((end) => Date.parse(end)))
  const daysLeft = Math.floor(((first - now) / dayMs) * 10) / 10
  const until = new Date(first).toISOString()
  if (first <= now) return { state: 'down', detail: `It ended at ${until}.`, daysLeft }
  if (daysLeft >= certificateSoonDays) return { state: 'ok', detail: `It is good until ${until}.`, daysLeft }
  return { state: 'degraded', detail: `It ends at ${until} and was not renewed.`, daysLeft }
}

async function controllerPart({ readLease, stores }: StatusProbesDeps): Promise<FoundPart> {
  const [lease, report] = await Promise.allSettled([readLease(), stores.leaderReports.read()])
  const holder = lease.status === 'fulfilled' ? lease.value?.spec?.holderIdentity || undefined : undefined
  if (report.status === 'rejected') {
    const detail = `What the controller does is not known: ${reasonOf(report.reason)}.`
    return { state: 'unknown', detail, leader: holder }
  }
  const leader = holder ?? report.value?.leader
  if (report.value && report.value.ageMs < leaderSilentMs)
    return { state: 'ok', detail: 'One replica leads.', leader }
  if (lease.status === 'fulfilled' && holder === undefined)
    return { state: 'down', detail: 'No replica holds the Lease greenroom-controller.' }
  return { state: 'down', detail: silence(report.value), leader }
}

function silence(report: LeaderReport | undefined): string {
  if (!report) return 'No controller has led yet since this database was made or migrated.'
  return `The controller that leads has noted nothing for ${Math.round(report.ageMs / 1_000)} s.`
}

/** The webhook decides which policy is in force; without it the controller says what it sees. */
async function policyPart(
  replicas: readonly ReplicaAnswer<WebhookReplicaStatus>[] | undefined,
  readLeader: () => Promise<LeaderReport | undefined>,
): Promise<FoundPart> {
  const answers = replicas?.flatMap(({ answer }) => answer?.policy ?? []) ?? []
  const refused = answers.find(({ problems }) => problems !== undefined)
  const [first] = answers
  if (refused ?? first) {
    const part = documentPart(refused ?? (first as DocumentStatus))
    const differ = new Set(answers.map(({ applied }) => applied)).size > 1
    return part.state === 'ok' && differ
      ? {
          ...part,
          state: 'degraded',
          detail: 'The replicas of the webhook have different versions in force.',
        }
      : part
  }
  const report = await readLeader()
  if (report) return documentPart(report.findings.documents.policy)
  return { state: 'unknown', detail: 'Neither the webhook nor a controller could be asked.' }
}

function documentPart({ seen, applied, problems }: DocumentStatus): FoundPart {
  const generation = { seen, applied }
  if (problems) {
    const [first = 'no reason is known', ...more] = problems
    const reason = first.length > mostDetailChars ? `${first.slice(0, mostDetailChars)}…` : first
    const others = more.length > 0 ? `, and ${more.length} more` : ''
    const inForce = applied === undefined ? 'nothing else is in force' : 'the one before stays in force'
    return { state: 'degraded', detail: `Refused, and ${inForce}: ${reason}${others}.`, generation }
  }
  if (applied === undefined)
    return { state: 'degraded', detail: 'No version of it was ever accepted.', generation }
  if (seen === applied) return { state: 'ok', detail: 'The newest version is in force.', generation }
  return { state: 'degraded', detail: 'An earlier version is in force.', generation }
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '')
}
