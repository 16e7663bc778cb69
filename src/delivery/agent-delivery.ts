import { isIP } from 'node:net'
import { Compile } from 'typebox/compile'
import { assignPath, confirmPath, endPath } from '../domain/assign-contract.ts'
import { type Assignment, AssignmentEcho, type ConfirmQuestion, type EndOrder } from '../domain/assignment.ts'
import type { AgentDelivery, Confirmation, DeliveryOutcome } from '../domain/cluster-ports.ts'
import { agentPort } from '../domain/names.ts'
import type { TraceContext } from '../domain/trace-context.ts'
import { activeTrace, traced } from '../tracing/spans.ts'
import { signDelivery } from './assign-token.ts'
import { openPodConnection, type PodConnection, type Post, type PostResult } from './pod-connection.ts'
import { createPreparedDeliveries } from './prepared-deliveries.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'

interface AgentDeliveryOptions {
  readonly keys: SigningKeys
  /** A SYN answered within one node or zone takes below 5 ms; 250 ms leaves room for one lost packet (RTO 200 ms). */
  readonly connectTimeoutMs?: number
  /** From the connection to the complete answer. */
  readonly acknowledgeTimeoutMs?: number
  /** Longer than PostgreSQL has for its answer to a claim. What was prepared and is not sent by then never is. */
  readonly preparedForMs?: number
  readonly port?: number
}

type Recipient = Parameters<AgentDelivery['assign']>[0]
interface DeliveryOptions {
  readonly deadlineMs: number
  readonly trace?: TraceContext | undefined
}

type Refused = Extract<DeliveryOutcome, { kind: 'refused' }>

const echoValidator = Compile(AssignmentEcho)

/** Speaks to agent pods: signed `POST /assign`, `POST /confirm` and `POST /end`. Bodies hold secrets and are never logged. */
export function createAgentDelivery({
  keys,
  connectTimeoutMs = 250,
  acknowledgeTimeoutMs = 1_500,
  preparedForMs = 2_000,
  port = agentPort,
}: AgentDeliveryOptions): AgentDelivery {
  const prepared = createPreparedDeliveries(preparedForMs)
  /** Of a call that nobody waits for longer than its two steps may take. */
  const shortMs = connectTimeoutMs + acknowledgeTimeoutMs

  async function deliver(
    pod: Recipient,
    path: string,
    content: Assignment | ConfirmQuestion | EndOrder,
    { deadlineMs, trace }: DeliveryOptions,
  ): Promise<DeliveryOutcome> {
    const deadline = performance.now() + deadlineMs
    // An empty host would mean this machine, and a name would be looked up.
    if (isIP(pod.ip) === 0) return { kind: 'unreachable', reason: 'the pod has no IP address' }
    const key = keys.choose(pod.assignKeyIds)
    if (!key) return refused('the pod lists none of the signing keys of this server')
    const { sessionId, epoch } = content
    const body = JSON.stringify(content)
    const ahead = path === assignPath ? prepared.take(pod.uid, pod.ip, body) : undefined
    const token = ahead?.token ?? tokenFor(key, pod.uid, content, body)
    const post: Post = {
      host: pod.ip,
      port,
      path,
      authorization: `Bearer ${token}`,
      trace: activeTrace() ?? trace,
      body,
      connectTimeoutMs,
      answerTimeoutMs: acknowledgeTimeoutMs,
      deadline,
    }
    return outcomeOf(await postOnce(post, ahead?.connection), { podUid: pod.uid, sessionId, epoch })
  }

  return {
    prepare(pod, assignment) {
      const key = keys.choose(pod.assignKeyIds)
      if (!key || isIP(pod.ip) === 0 || !prepared.hasRoomFor(pod.uid)) return () => {}
      const connection = openPodConnection({ host: pod.ip, port })
      const body = JSON.stringify(assignment)
      const token = tokenFor(key, pod.uid, assignment, body)
      return prepared.add(pod.uid, { host: pod.ip, body, token, connection })
    },
    assign: (pod, assignment, deadlineMs, trace) =>
      traced(`POST ${assignPath}`, () => deliver(pod, assignPath, assignment, { deadlineMs, trace }), {
        role: 'client',
        attributes: { 'greenroom.pod.name': pod.name, 'greenroom.epoch': assignment.epoch },
      }),
    confirm: async (pod, question) =>
      confirmationOf(await deliver(pod, confirmPath, question, { deadlineMs: shortMs })),
    end: (pod, order) => deliver(pod, endPath, order, { deadlineMs: shortMs }),
  }
}

function tokenFor(
  key: SigningKey,
  podUid: string,
  { sessionId, epoch }: Assignment | ConfirmQuestion | EndOrder,
  body: string,
): string {
  return signDelivery(key, { podUid, sessionId, epoch, body, now: Date.now() })
}

/**
 * On the connection that was opened ahead, else on a new one: a pod is called twice in its life, minutes apart, and a kept
 * connection would only cost a descriptor for each pod.
 *
 * A server may close a silent connection just as it is used. So what was cut there is sent again: a pod answers the same
 * session and epoch with 200 again.
 */
async function postOnce(post: Post, ahead: PodConnection | undefined): Promise<PostResult> {
  if (!ahead?.isUsable()) return openPodConnection(post).post(post)
  const first = await ahead.post(post)
  if (first.kind !== 'failed' || !first.cut) return first
  const second = await openPodConnection(post).post(post)
  return second.kind === 'failed' && !first.untouched ? { kind: 'failed', reason: second.reason } : second
}

function outcomeOf(result: PostResult, expected: AssignmentEcho): DeliveryOutcome {
  if (result.kind === 'failed') {
    const { reason, untouched } = result
    return { kind: 'unreachable', reason, ...(untouched && { untouched }) }
  }
  if (result.kind === 'malformed') return refused(result.reason)
  if (result.status !== 200) {
    const code = errorCodeIn(result.body)
    return refused(`status ${result.status}${code === undefined ? '' : ` ${code}`}`, code)
  }
  const echo = parseJson(result.body)
  if (!echoValidator.Check(echo)) return refused('status 200 without a valid echo')
  const { podUid, sessionId, epoch, confirms } = echo
  if (podUid !== expected.podUid) return refused('the echo names another pod')
  if (sessionId !== expected.sessionId || epoch !== expected.epoch) {
    return refused('the echo names another session or epoch')
  }
  return { kind: 'accepted', echo: { podUid, sessionId, epoch, ...(confirms && { confirms }) } }
}

/** With the second, an agent says that it does not know the question. Such an agent never said that it confirms. */
const denials: readonly (string | undefined)[] = ['AGENT_UNASSIGNED', 'AGENT_NOT_FOUND']

/** Only what the agent itself says is a denial: by its code, because any proxy can answer 404. */
function confirmationOf(outcome: DeliveryOutcome): Confirmation {
  if (outcome.kind === 'accepted') return { kind: 'held' }
  const { kind, reason } = outcome
  const isDenial = kind === 'refused' && denials.includes(outcome.code)
  return { kind: isDenial ? 'denied' : 'unknown', reason }
}

/**
 * The `code` of the answer, if it is a problem. Nothing else of the answer is kept: the pod has just read the session's
 * secrets and may repeat them, and the reason goes to logs, rows and GET /v1/pools.
 */
function errorCodeIn(body: string): string | undefined {
  const code = (parseJson(body) as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : undefined
}

/** undefined for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(reason: string, code?: string): Refused {
  return { kind: 'refused', reason, ...(code !== undefined && { code }) }
}
