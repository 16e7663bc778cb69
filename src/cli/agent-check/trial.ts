import { randomUUID } from 'node:crypto'
import type { Assignment, ConfirmQuestion } from '../../domain/assign-contract.ts'
import { assignPath, confirmPath, endPath } from '../../domain/assign-contract.ts'
import type { AgentProcess } from './agent-process.ts'
import { type Answer, callAgent } from './contract-call.ts'
import { type ContractKey, signedToken, type TokenParts, tokenParts } from './contract-keys.ts'
import type { SessionServer } from './pretended-session-server.ts'

/** How long the contract lets an agent take. */
export interface ContractLimits {
  /** From the start of the process to the first 200 of /ready. */
  readonly startMs: number
  /** From the request to the answer: the session server gives up after it and takes another pod. */
  readonly answerMs: number
  /** From /end or SIGTERM to the exit: then Kubernetes kills the pod. */
  readonly graceMs: number
}

/** What all agents of one run share. */
export interface CheckRun {
  readonly agentType: string
  readonly limits: ContractLimits
  /** The agents know the first two, newest first, as while a key is rotated; not the third. */
  readonly keys: { readonly newest: ContractKey; readonly older: ContractKey; readonly unknown: ContractKey }
  readonly server: SessionServer
  /** An address of LiveKit that takes connections and never answers. */
  readonly silentLiveKit: string
  /** All that was given to the agents in confidence. */
  readonly secrets: Set<string>
  /** Bodies of all answers. */
  readonly answers: string[]
}

interface TrialOptions {
  readonly run: CheckRun
  readonly podUid: string
  readonly address: string
  readonly port: number
  readonly process: AgentProcess
  /** On the clock of `performance.now()`. */
  readonly startedAt: number
}

interface PostOptions {
  readonly token?: string | undefined
  readonly timeoutMs?: number
}

/** One agent, and the calls that the session server and the kubelet would make to it. */
export interface Trial extends TrialOptions {
  /** The session that it serves; undefined while it is idle. */
  session: Assignment | undefined
  /** From its start until it was ready. */
  startMs: number
  get(path: string, timeoutMs?: number): Promise<Answer>
  post(path: string, body: string | Buffer, options?: PostOptions): Promise<Answer>
  newAssignment(change?: Partial<Assignment>): Assignment
  /** Room access as the session server would give it; LiveKit does not answer there. */
  newLiveKit(): NonNullable<Assignment['livekit']>
  /** The right token of this body, with the newest key; `change` makes it wrong in one place. */
  token(body: string | Buffer, change?: (parts: TokenParts) => TokenParts, key?: ContractKey): string
  /** Signed as the session server does it. */
  assign(assignment: Assignment): Promise<Answer>
  confirm(question: ConfirmQuestion): Promise<Answer>
  end(order: { sessionId: string; epoch: number; reason?: string }): Promise<Answer>
}

export function createTrial(options: TrialOptions): Trial {
  const { run, podUid, address: host, port } = options
  const { limits, secrets, answers, keys } = run
  const kept = (answer: Answer): Answer => {
    answers.push(answer.body)
    return answer
  }
  const confidential = (text: string): string => {
    secrets.add(text)
    return text
  }

  async function post(path: string, body: string | Buffer, { token, timeoutMs }: PostOptions = {}) {
    const headers = {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    const call = { host, port, method: 'POST', path, headers, body } as const
    return kept(await callAgent({ ...call, timeoutMs: timeoutMs ?? limits.answerMs }))
  }
  function token(
    body: string | Buffer,
    change: (parts: TokenParts) => TokenParts = (parts) => parts,
    key: ContractKey = keys.newest,
  ): string {
    return confidential(signedToken(change(tokenParts(key.kid, podUid, body)), key.privateKey))
  }
  function postSigned(path: string, content: object): Promise<Answer> {
    const body = JSON.stringify(content)
    return post(path, body, { token: token(body) })
  }

  return {
    ...options,
    session: undefined,
    startMs: 0,
    get: async (path, timeoutMs = limits.answerMs) =>
      kept(await callAgent({ host, port, method: 'GET', path, timeoutMs })),
    post,
    newAssignment: (change = {}) => ({
      sessionId: randomUUID(),
      epoch: 1,
      podUid,
      agentType: run.agentType,
      room: `room-${randomUUID()}`,
      metadata: { language: 'en', greeting: 'こんにちは 👋' },
      secrets: { CHECK_API_KEY: confidential(`sk-check-${randomUUID()}`) },
      sessionToken: confidential(`grs_${randomUUID()}`),
      leaseMs: 60_000,
      ...change,
    }),
    newLiveKit: () => ({
      url: run.silentLiveKit,
      room: `room-${randomUUID()}`,
      token: confidential(`room-token-${randomUUID()}`),
      // As long as the session server's tokens.
      expiresAt: new Date(Date.now() + 600_000).toISOString(),
    }),
    token,
    assign: (assignment) => postSigned(assignPath, assignment),
    confirm: (question) => postSigned(confirmPath, question),
    end: ({ reason = 'ended:caller', ...order }) => postSigned(endPath, { ...order, reason }),
  }
}
