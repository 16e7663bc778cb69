import { parseArgs } from 'node:util'
import type { ProjectLimits } from '../domain/project-limits.ts'
import { GreenroomError } from '../errors.ts'
import type { LimitsList, LimitsView } from '../http/limit-routes.ts'
import { askServer, printingRefusals, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `usage: limits list | get PROJECT | set PROJECT [--sessions N] [--opens-per-minute N] [--waiting N] | remove PROJECT
Shows and changes what projects may have at most. A change is in force within a second, without a restart.
list                  the projects that have limits
set                   replaces all limits of the project: one that is not named is removed
--sessions N          most sessions that are not ENDED
--opens-per-minute N  most opens in a minute
--waiting N           most opens that wait for a pod at the same time
--json                prints the answer of the API
--server URL          the session API (default: GREENROOM_API_URL)
--key KEY             an API key (default: GREENROOM_API_KEY)
Exit code: 0 done; 2 it could not be done, or the arguments are wrong.`

const actions = ['list', 'get', 'set', 'remove'] as const
type Action = (typeof actions)[number]

export const limits: CommandProgram = { usage, run: runLimits }

async function runLimits(argv: readonly string[]): Promise<number> {
  return printingRefusals(async () => {
    const { action, projectId, wanted, json, ...server } = readArguments(argv)
    const projects =
      action === 'list' ? await listAll(server) : [await ask(action, { projectId, wanted }, server)]
    process.stdout.write(json ? `${JSON.stringify(projects, undefined, 2)}\n` : `${inWords(projects)}\n`)
    return 0
  })
}

type Server = Parameters<typeof askServer>[1]

async function listAll(server: Server): Promise<LimitsView[]> {
  const all: LimitsView[] = []
  let cursor: string | undefined
  do {
    const query = new URLSearchParams({ limit: '200', ...(cursor !== undefined && { cursor }) })
    const page = await askServer<LimitsList>(`/v1/limits?${query.toString()}`, server)
    all.push(...page.projects)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return all
}

interface Wish {
  readonly projectId: string
  readonly wanted: ProjectLimits
}

async function ask(
  action: Exclude<Action, 'list'>,
  { projectId, wanted }: Wish,
  server: Server,
): Promise<LimitsView> {
  const path = `/v1/projects/${encodeURIComponent(projectId)}/limits`
  if (action === 'get') return askServer<LimitsView>(path, server)
  if (action === 'set') return askServer<LimitsView>(path, server, { method: 'PUT', body: wanted })
  return askServer<LimitsView>(path, server, { method: 'DELETE' })
}

function inWords(projects: readonly LimitsView[]): string {
  if (projects.length === 0) return 'no project has limits'
  const rows = projects.map(
    ({ projectId, limits: { maxSessions, opensPerMinute, maxWaiting }, usage: now }) => [
      projectId,
      maxSessions === undefined ? '-' : `${now?.sessions ?? 0} of ${maxSessions}`,
      String(opensPerMinute ?? '-'),
      String(maxWaiting ?? '-'),
    ],
  )
  return textTable([['PROJECT', 'SESSIONS', 'OPENS/MIN', 'WAITING'], ...rows])
}

function readArguments(argv: readonly string[]) {
  const { values, positionals } = parsed(argv)
  const { sessions, 'opens-per-minute': opens, waiting, ...others } = values
  const [action, projectId = '', ...rest] = positionals
  if (!isAction(action)) throw wrong(`${actions.join(', ')}?`)
  if (action !== 'list' && projectId === '') throw wrong('the PROJECT is missing')
  if (rest.length > 0 || (action === 'list' && projectId !== '')) throw wrong('there are too many arguments')
  const wanted: ProjectLimits = {
    ...(sessions !== undefined && { maxSessions: numberOf('--sessions', sessions) }),
    ...(opens !== undefined && { opensPerMinute: numberOf('--opens-per-minute', opens) }),
    ...(waiting !== undefined && { maxWaiting: numberOf('--waiting', waiting) }),
  }
  const named = Object.keys(wanted).length
  if (action === 'set' && named === 0) throw wrong('name a limit; "limits remove" removes them all')
  if (action !== 'set' && named > 0) throw wrong(`${action} takes no limits`)
  return { action, projectId, wanted, ...others }
}

function parsed(argv: readonly string[]) {
  try {
    const options = {
      json: { type: 'boolean', default: false },
      sessions: { type: 'string' },
      'opens-per-minute': { type: 'string' },
      waiting: { type: 'string' },
      ...serverOptions,
    } as const
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function numberOf(option: string, text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw wrong(`${option} ${text.slice(0, 40)} is not a whole number`)
  return Number(text)
}

function isAction(word: string | undefined): word is Action {
  return actions.some((action) => action === word)
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
}
