import { parseArgs } from 'node:util'
import { GreenroomError } from '../errors.ts'
import type { KeyList, KeyView, ShownKeyView } from '../http/key-routes.ts'
import { askServer, printingRefusals, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `usage: keys create --name NAME --scope SCOPE... [--project PROJECT] | list [--project PROJECT] | rotate ID | revoke ID
Makes and manages API keys. A new key is printed once on stdout and kept nowhere.
--name NAME           what the key is for
--scope SCOPE         sessions:open, sessions:read, sessions:end, pools:read or admin; may be repeated
--project PROJECT     the project that the key is bound to; without it, good for every project
--keep-old SECONDS    rotate: how long the secret before is taken as well (default: 86400; 0 after a leak)
--json                prints the answer of the API
--server URL          the session API (default: GREENROOM_API_URL)
--key KEY             an API key with the scope admin (default: GREENROOM_API_KEY)
Exit code: 0 it is done; 2 it could not be done, or the arguments are wrong.`

export const keys: CommandProgram = { usage, run: runKeys }

async function runKeys(argv: readonly string[]): Promise<number> {
  return printingRefusals(async () => {
    const given = readArguments(argv)
    const { answer, text } = await actions[given.action](given)
    process.stdout.write(given.json ? `${JSON.stringify(answer, undefined, 2)}\n` : text)
    return 0
  })
}

interface Done {
  readonly answer: unknown
  readonly text: string
}

interface Given {
  readonly id: string | undefined
  readonly name?: string | undefined
  readonly scope?: string[] | undefined
  readonly project?: string | undefined
  readonly 'keep-old'?: string | undefined
  readonly json: boolean
  readonly server?: string | undefined
  readonly key?: string | undefined
}

const actions = { create, list, rotate, revoke } as const satisfies Record<
  string,
  (given: Given) => Promise<Done>
>
type Action = keyof typeof actions

async function create({ name, scope: scopes = [], project, ...server }: Given): Promise<Done> {
  if (name === undefined || scopes.length === 0) throw wrong('create needs --name and --scope')
  const body = { name, scopes, ...(project !== undefined && { projectId: project }) }
  const answer = await askServer<ShownKeyView>('/v1/keys', server, { method: 'POST', body })
  return { answer, text: `${answer.key}\n` }
}

async function list({ project, ...server }: Given): Promise<Done> {
  const found: KeyView[] = []
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const query = new URLSearchParams({
      ...(project !== undefined && { projectId: project }),
      ...(cursor !== undefined && { cursor }),
    })
    const page = await askServer<KeyList>(`/v1/keys?${query.toString()}`, server)
    found.push(...page.keys)
    cursor = page.nextCursor
  }
  const table = textTable([['ID', 'NAME', 'PROJECT', 'SCOPES', 'CREATED', 'STATE'], ...found.map(rowOf)])
  return { answer: { keys: found }, text: `${table}\n` }
}

async function rotate({ 'keep-old': keepOld, ...given }: Given): Promise<Done> {
  if (keepOld !== undefined && !/^[0-9]{1,9}$/.test(keepOld)) throw wrong('--keep-old is a number of seconds')
  const body = keepOld === undefined ? {} : { keepOldSeconds: Number(keepOld) }
  const path = `/v1/keys/${idOf(given)}/rotate`
  const answer = await askServer<ShownKeyView>(path, given, { method: 'POST', body })
  return { answer, text: `${answer.key}\n` }
}

async function revoke(given: Given): Promise<Done> {
  const answer = await askServer<KeyView>(`/v1/keys/${idOf(given)}`, given, { method: 'DELETE' })
  return { answer, text: `revoked ${answer.id} (${answer.name})\n` }
}

function rowOf({ id, name, projectId, scopes, createdAt, revokedAt, oldSecretUntil }: KeyView): string[] {
  const state =
    revokedAt === undefined
      ? oldSecretUntil === undefined || Date.parse(oldSecretUntil) < Date.now()
        ? 'live'
        : `live, old secret until ${oldSecretUntil}`
      : `revoked ${revokedAt}`
  return [id, name, projectId ?? '(every project)', scopes.join(','), createdAt, state]
}

function idOf({ id }: Given): string {
  if (id === undefined) throw wrong('the ID is missing')
  return encodeURIComponent(id)
}

function readArguments(argv: readonly string[]): Given & { readonly action: Action } {
  const { values, positionals } = parsed(argv)
  const [action = '', id, ...rest] = positionals
  if (!isAction(action)) throw wrong(`${Object.keys(actions).join(', ')}?`)
  const extra = action === 'create' || action === 'list' ? positionals.slice(1) : rest
  if (extra.length > 0) throw wrong(`${extra.join(' ')} is too much`)
  return { action, id, ...values }
}

function parsed(argv: readonly string[]) {
  try {
    const options = {
      name: { type: 'string' },
      scope: { type: 'string', multiple: true },
      project: { type: 'string' },
      'keep-old': { type: 'string' },
      json: { type: 'boolean', default: false },
      ...serverOptions,
    } as const
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function isAction(word: string): word is Action {
  return Object.hasOwn(actions, word)
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
}
