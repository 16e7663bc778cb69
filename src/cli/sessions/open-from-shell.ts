import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { BatchView, OpenRequest, SessionView } from '../../client/api-types.ts'
import type { ClientSession } from '../../client/client-session.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import { type Form, formOf, printView } from '../line/print-view.ts'
import { programName } from '../line/program-name.ts'
import { formOptions, serverOptions } from '../line/shared-options.ts'
import { wholeNumber, wrongArguments } from '../line/wrong-arguments.ts'
import { openServer, type ServerConnection } from '../reach/server-connection.ts'
import { sessionsView } from './listed-sessions.ts'

const longestWaitSeconds = 3_600
const longestLeaseSeconds = 86_400
/** What an open takes besides its wait for a pod (5 s), and the network. */
const besideWaitMs = 7_000
const usualWaitSeconds = 5
const mostAtOnce = 50

export const openFromShell = action({
  summary: 'Open a session, and say where to talk with it',
  about:
    'Without --hold nobody renews the lease, so the session ends with its first lease. The token of the LiveKit room is shown here and by no other command.',
  arguments: [{ name: 'AGENT-TYPE', help: 'the pool', kind: 'pool' }],
  options: {
    count: { type: 'string', value: 'N', help: 'so many sessions at once, all of them or none' },
    hold: { type: 'boolean', help: 'renew the lease until Ctrl-C, then end the session' },
    project: { type: 'string', value: 'PROJECT', help: 'whose session it is' },
    room: { type: 'string', value: 'NAME', help: 'your name for the room' },
    identity: { type: 'string', value: 'NAME', help: 'whom the token of the room is for' },
    metadata: { type: 'string', value: 'JSON', help: 'an object that the agent gets' },
    lease: { type: 'string', value: 'SECONDS', help: 'length of the lease' },
    'on-empty': {
      type: 'string',
      value: 'WHAT',
      words: ['wait', 'cold', 'fail'],
      help: 'when no pod is free; the pool says it unless given',
    },
    wait: { type: 'string', value: 'SECONDS', help: 'how long a pod is waited for' },
    'idempotency-key': { type: 'string', value: 'KEY', help: 'names this open, over tries' },
    ...formOptions,
    ...serverOptions,
  },
  exits: { 4: 'no pod became free in time', 5: 'the limits of the project do not allow it' },
  examples: [
    { line: 'greenroom sessions open echo-agent --on-empty fail', does: 'Now or not at all' },
    { line: 'greenroom sessions open echo-agent --count 5 -o name', does: 'Five of them, or none' },
    {
      line: `greenroom sessions open echo-agent -o jsonpath='{.livekit.token}'`,
      does: 'The token of its room',
    },
  ],
  async run({ words: [agentType = ''], options }) {
    const form = formOf(options)
    const waitSeconds = optionalNumber('--wait', options.wait, longestWaitSeconds)
    const request = requestOf(bareName('pool', agentType), options, waitSeconds)
    const key = options['idempotency-key'] ?? randomUUID()
    const timeoutMs = (waitSeconds ?? usualWaitSeconds) * 1_000 + besideWaitMs
    const count =
      options.count === undefined ? undefined : wholeNumber('--count', options.count, [1, mostAtOnce])
    if (count !== undefined && options.hold === true)
      throw wrongArguments('--hold keeps one session, so it does not go with --count.')
    await using server = await openServer(options)
    if (count !== undefined) {
      const opened = await openTogether(
        server,
        Array.from({ length: count }, () => request),
        { key, timeoutMs },
      )
      printView(sessionsView(opened, { sessions: opened }), form)
    } else if (options.hold === true) {
      const opened = await server.client.open(request, { idempotencyKey: key, requestTimeoutMs: timeoutMs })
      show(opened.view, form)
      await hold(opened)
    } else show(await openOnce(server, request, { key, timeoutMs }), form)
  },
})

interface OpenValues {
  readonly project?: string | undefined
  readonly room?: string | undefined
  readonly identity?: string | undefined
  readonly metadata?: string | undefined
  readonly lease?: string | undefined
  readonly 'on-empty'?: string | undefined
}

function requestOf(agentType: string, options: OpenValues, waitSeconds: number | undefined): OpenRequest {
  const { project, room, identity, metadata, lease, 'on-empty': onEmpty } = options
  const leaseSeconds = optionalNumber('--lease', lease, longestLeaseSeconds)
  return {
    agentType,
    ...(project !== undefined && { projectId: project }),
    ...(room !== undefined && { roomName: room }),
    ...(identity !== undefined && { participant: { identity } }),
    ...(metadata !== undefined && { metadata: objectOf(metadata) }),
    ...(leaseSeconds !== undefined && { leaseSeconds }),
    // Only words of the list come through.
    ...(onEmpty !== undefined && { onEmpty: onEmpty as 'wait' | 'cold' | 'fail' }),
    ...(waitSeconds !== undefined && { waitMs: waitSeconds * 1_000 }),
  }
}

function optionalNumber(option: string, text: string | undefined, most: number): number | undefined {
  return text === undefined ? undefined : wholeNumber(option, text, [0, most])
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw wrongArguments('--metadata is not a JSON object.')
}

interface Tries {
  readonly key: string
  readonly timeoutMs: number
}

async function openTogether(
  server: ServerConnection,
  sessions: readonly OpenRequest[],
  { key, timeoutMs }: Tries,
): Promise<readonly SessionView[]> {
  const headers = { 'idempotency-key': key }
  const ask = { method: 'POST', body: { sessions }, headers, timeoutMs } as const
  const { results } = await server.ask<BatchView>('/v1/sessions:batch', ask)
  return results.flatMap(({ session }) => session ?? [])
}

function openOnce(
  server: ServerConnection,
  body: OpenRequest,
  { key, timeoutMs }: Tries,
): Promise<SessionView> {
  const headers = { 'idempotency-key': key }
  return server.ask<SessionView>('/v1/sessions', { method: 'POST', body, headers, timeoutMs })
}

function show(session: SessionView, form: Form): void {
  if (form.kind === 'table' || form.kind === 'wide') process.stdout.write(`${inWords(session)}\n`)
  else printView(sessionsView([session], session), form)
}

function inWords({ id, status, agentType, pod, epoch, roomName, livekit, lease }: SessionView): string {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['session', `${id} is ${status}`],
    ['agent', pod ? `${agentType} in pod ${pod.name}, epoch ${epoch}` : `${agentType}; its pod starts`],
    ['room', livekit?.room ?? roomName],
    ['LiveKit', livekit?.url],
    ['token', livekit && `${livekit.token} (until ${livekit.expiresAt})`],
    [
      'lease',
      `until ${lease.expiresAt}, renewed by ${lease.heldBy === 'both' ? 'caller or agent' : lease.heldBy}`,
    ],
    ['to end it', `${programName()} sessions end ${id}`],
  ]
  return facts
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(9)}  ${value}`]))
    .join('\n')
}

/** Until Ctrl-C, which ends the session, or until it is over. */
async function hold(session: ClientSession): Promise<void> {
  process.stderr.write('The lease is renewed until Ctrl-C.\n')
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then(() =>
    session.end(),
  )
  const { reason } = await Promise.race([session.over, interrupted])
  process.stderr.write(`The session is over: ${reason ?? 'its reason is not known'}.\n`)
}
