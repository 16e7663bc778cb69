import type { SessionView } from '../../client/api-types.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import type { View } from '../line/print-view.ts'
import { formOptions, serverOptions, watchOptions } from '../line/shared-options.ts'
import { shortAge } from '../line/short-age.ts'
import { showView } from '../line/show-view.ts'
import { wholeNumber } from '../line/wrong-arguments.ts'
import { openServer, type ServerConnection } from '../reach/server-connection.ts'

const id = { name: 'ID', help: 'the id of the session', kind: 'session' } as const
const statuses = ['PENDING', 'ACTIVE', 'ENDING', 'ENDED'] as const
/** What the server gives in one answer. */
const pageLength = 200
const most = 1_000_000

export const listAll = action({
  summary: 'List sessions, newest first',
  options: {
    status: { type: 'string', value: 'STATUS', words: statuses, help: 'in this status only' },
    type: { type: 'string', value: 'AGENT-TYPE', help: 'of this pool only' },
    project: { type: 'string', value: 'PROJECT', help: 'of this project only' },
    limit: { type: 'string', value: 'N', default: '100', help: 'the newest N' },
    ...formOptions,
    ...watchOptions,
    ...serverOptions,
  },
  examples: [
    {
      line: 'greenroom sessions list --status ACTIVE --type echo-agent',
      does: 'Those of a pool that are talking',
    },
    { line: 'greenroom sessions list -o name', does: 'For other programs' },
  ],
  async run({ options }) {
    const limit = wholeNumber('--limit', options.limit, [1, most])
    const { status, type: agentType, project: projectId } = options
    const query = Object.entries({ status, agentType, projectId }).filter(([, value]) => value !== undefined)
    await using server = await openServer(options)
    await showView(options, async () => {
      const sessions = await newest(server, new URLSearchParams(query as [string, string][]), limit)
      return sessionsView(sessions, { sessions })
    })
  },
})

export const getOne = action({
  summary: 'Show one session',
  arguments: [id],
  options: { ...formOptions, ...watchOptions, ...serverOptions },
  examples: [{ line: "greenroom sessions get ID -o jsonpath='{.pod.name}'", does: 'The pod that serves it' }],
  async run({ words: [text = ''], options }) {
    await using server = await openServer(options)
    await showView(options, async () => {
      const session = await server.ask<SessionView>(sessionPath(text))
      return sessionsView([session], session)
    })
  },
})

export const endOne = action({
  summary: 'End a session and give its pod back',
  arguments: [id],
  options: {
    wait: { type: 'boolean', help: 'until it is ENDED, with its pod gone' },
    ...formOptions,
    ...serverOptions,
  },
  examples: [{ line: 'greenroom sessions end ID --wait', does: 'Until the agent has gone' }],
  async run({ words: [text = ''], options }) {
    await using server = await openServer(options)
    await showView(options, async () => {
      const path = `${sessionPath(text)}${options.wait === true ? '?wait=true' : ''}`
      const session = await server.ask<SessionView>(path, { method: 'DELETE', timeoutMs: endMs })
      return sessionsView([session], session)
    })
  },
})

/** Longer than the grace period of an agent and what follows it. */
const endMs = 60_000

export function sessionPath(text: string): string {
  return `/v1/sessions/${encodeURIComponent(bareName('session', text))}`
}

async function newest(
  server: ServerConnection,
  query: URLSearchParams,
  limit: number,
): Promise<SessionView[]> {
  const found: SessionView[] = []
  for (let more = true; more && found.length < limit; ) {
    query.set('limit', String(Math.min(pageLength, limit - found.length)))
    const page = await server.ask<{ sessions: SessionView[]; nextCursor?: string }>(
      `/v1/sessions?${query.toString()}`,
    )
    found.push(...page.sessions)
    more = page.nextCursor !== undefined
    if (page.nextCursor !== undefined) query.set('cursor', page.nextCursor)
  }
  query.delete('cursor')
  return found
}

export function sessionsView(sessions: readonly SessionView[], document: unknown): View<SessionView> {
  return {
    document,
    rows: sessions,
    nameOf: (session) => `session/${session.id}`,
    empty: 'There are no such sessions.',
    columns: [
      { title: 'ID', of: (session) => session.id },
      {
        title: 'STATUS',
        of: ({ status }) => status,
        tone: ({ status }) =>
          status === 'ACTIVE'
            ? 'good'
            : status === 'PENDING'
              ? 'doubtful'
              : status === 'ENDED'
                ? 'quiet'
                : undefined,
      },
      { title: 'AGENT TYPE', of: ({ agentType }) => agentType },
      { title: 'PROJECT', of: ({ projectId }) => projectId ?? '-' },
      { title: 'POD', of: ({ pod }) => pod?.name ?? '-' },
      { title: 'AGE', of: ({ createdAt }) => shortAge(createdAt), moves: true },
      { title: 'END REASON', of: ({ endReason }) => endReason ?? '-' },
      { title: 'ROOM', of: ({ roomName }) => roomName, wide: true },
      { title: 'LEASE UNTIL', of: ({ lease }) => lease.expiresAt, wide: true, moves: true },
      { title: 'EPOCH', of: ({ epoch }) => String(epoch), wide: true },
    ],
  }
}
