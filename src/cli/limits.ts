import type { ProjectLimits } from '../domain/project-limits.ts'
import type { LimitsList, LimitsView } from '../http/limit-routes.ts'
import { action, actionGroup } from './line/command-spec.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { formOptions, serverOptions } from './line/shared-options.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'
import { openServer, type ServerConnection } from './reach/server-connection.ts'

const project = { name: 'PROJECT', help: 'the id of the project', kind: 'project' } as const
const shared = { ...formOptions, ...serverOptions }
const most = 9_999_999

const list = action({
  summary: 'List the projects that have limits',
  options: shared,
  examples: [{ line: 'greenroom limits', does: 'What each project may have, and has' }],
  async run({ options }) {
    const form = formOf(options)
    await using server = await openServer(options)
    const projects = await listAll(server)
    printView(viewOf(projects), form)
  },
})

const get = oneProject('Show the limits of a project', 'get', (server, path) => server.ask<LimitsView>(path))
const remove = oneProject('Remove all limits of a project', 'remove', (server, path) =>
  server.ask<LimitsView>(path, { method: 'DELETE' }),
)

const set = action({
  summary: 'Replace all limits of a project: one that is not named is removed',
  arguments: [project],
  options: {
    sessions: { type: 'string', value: 'N', help: 'most sessions that are not ENDED' },
    'opens-per-minute': { type: 'string', value: 'N', help: 'most opens in a minute' },
    waiting: { type: 'string', value: 'N', help: 'most opens that wait for a pod at the same time' },
    ...shared,
  },
  examples: [
    {
      line: 'greenroom limits set shop --sessions 50 --waiting 20',
      does: 'In force within a second, without a restart',
    },
  ],
  async run({ words: [projectId = ''], options }) {
    const { sessions, 'opens-per-minute': opens, waiting } = options
    const wanted: ProjectLimits = {
      ...(sessions !== undefined && { maxSessions: wholeNumber('--sessions', sessions, [0, most]) }),
      ...(opens !== undefined && { opensPerMinute: wholeNumber('--opens-per-minute', opens, [0, most]) }),
      ...(waiting !== undefined && { maxWaiting: wholeNumber('--waiting', waiting, [0, most]) }),
    }
    if (Object.keys(wanted).length === 0)
      throw wrongArguments('Name a limit; "limits remove" removes them all.')
    const form = formOf(options)
    await using server = await openServer(options)
    const view = await server.ask<LimitsView>(pathOf(projectId), { method: 'PUT', body: wanted })
    printView(viewOf([view]), form)
  },
})

export const limits = actionGroup({
  summary: 'Show and change what projects may have at most',
  about: 'A change is in force within a second, without a restart: docs/limits.md.',
  actions: { list, get, set, remove },
  otherwise: 'list',
  examples: [{ line: 'greenroom limits set shop --sessions 50', does: 'At most 50 sessions at a time' }],
})

function oneProject(
  summary: string,
  name: string,
  ask: (server: ServerConnection, path: string) => Promise<LimitsView>,
) {
  return action({
    summary,
    arguments: [project],
    options: shared,
    examples: [{ line: `greenroom limits ${name} shop`, does: summary }],
    async run({ words: [projectId = ''], options }) {
      const form = formOf(options)
      await using server = await openServer(options)
      const view = await ask(server, pathOf(projectId))
      printView(viewOf([view]), form)
    },
  })
}

function pathOf(projectId: string): string {
  return `/v1/projects/${encodeURIComponent(projectId)}/limits`
}

async function listAll(server: ServerConnection): Promise<LimitsView[]> {
  const all: LimitsView[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '200', ...(cursor !== undefined && { cursor }) })
    const page = await server.ask<LimitsList>(`/v1/limits?${query.toString()}`)
    all.push(...page.projects)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return all
}

function viewOf(projects: readonly LimitsView[]): View<LimitsView> {
  return {
    document: projects,
    rows: projects,
    nameOf: ({ projectId }) => `project/${projectId}`,
    empty: 'No project has limits.',
    columns: [
      { title: 'PROJECT', of: ({ projectId }) => projectId },
      {
        title: 'SESSIONS',
        of: ({ limits: { maxSessions }, usage }) =>
          maxSessions === undefined ? '-' : `${usage?.sessions ?? 0} of ${maxSessions}`,
      },
      { title: 'OPENS/MIN', of: ({ limits: { opensPerMinute } }) => String(opensPerMinute ?? '-') },
      { title: 'WAITING', of: ({ limits: { maxWaiting } }) => String(maxWaiting ?? '-') },
    ],
  }
}
