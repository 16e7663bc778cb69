import { scopes } from '../domain/caller.ts'
import type { KeyList, KeyView, ShownKeyView } from '../http/key-routes.ts'
import { action, actionGroup } from './line/command-spec.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { type FormValues, formOptions, serverOptions } from './line/shared-options.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'
import { openServer, type ServerConnection } from './reach/server-connection.ts'

const id = { name: 'ID', help: 'the id of the key, as "keys list" shows it' }
const project = { type: 'string', value: 'PROJECT' } as const
/** Ten years, in seconds; the server has the last word. */
const longestKeep = 315_360_000

const list = action({
  summary: 'List the API keys, revoked ones as well',
  options: {
    project: { ...project, help: 'the keys of this project only' },
    ...formOptions,
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom keys list --project shop', does: 'Whose keys are good for the project shop' },
  ],
  async run({ options }) {
    await using server = await openServer(options)
    const found = await readAll(server, options.project)
    printView(viewOf(found), formOf(options))
  },
})

const create = action({
  summary: 'Make a key; it is printed once and kept nowhere',
  options: {
    name: { type: 'string', value: 'NAME', help: 'what the key is for' },
    scope: { type: 'string', multiple: true, value: 'SCOPE', words: scopes, help: 'what it is good for' },
    project: { ...project, help: 'bound to this project; without it, good for every project' },
    ...formOptions,
    ...serverOptions,
  },
  examples: [
    {
      line: 'greenroom keys create --name checkout --scope sessions:open --project shop',
      does: 'A key of the project shop that can open sessions',
    },
  ],
  async run({ options }) {
    const { name, scope: wanted = [], project: projectId } = options
    if (name === undefined || wanted.length === 0) throw wrongArguments('create needs --name and --scope.')
    await using server = await openServer(options)
    const body = { name, scopes: wanted, ...(projectId !== undefined && { projectId }) }
    showSecret(await server.ask<ShownKeyView>('/v1/keys', { method: 'POST', body }), options)
  },
})

const rotate = action({
  summary: 'Give a key another secret; it is printed once',
  arguments: [id],
  options: {
    'keep-old': {
      type: 'string',
      value: 'SECONDS',
      help: 'how long the secret before is taken as well (86400 unless given; 0 after a leak)',
    },
    ...formOptions,
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom keys rotate ID --keep-old 0', does: 'After a leak: the old secret ends at once' },
  ],
  async run({ words: [wanted = ''], options }) {
    const keepOld = options['keep-old']
    const body =
      keepOld === undefined ? {} : { keepOldSeconds: wholeNumber('--keep-old', keepOld, [0, longestKeep]) }
    await using server = await openServer(options)
    const path = `/v1/keys/${encodeURIComponent(wanted)}/rotate`
    showSecret(await server.ask<ShownKeyView>(path, { method: 'POST', body }), options)
  },
})

const revoke = action({
  summary: 'End a key for good',
  arguments: [id],
  options: { ...formOptions, ...serverOptions },
  examples: [{ line: 'greenroom keys revoke ID', does: 'Every replica refuses it within a second' }],
  async run({ words: [wanted = ''], options }) {
    const form = formOf(options)
    await using server = await openServer(options)
    const answer = await server.ask<KeyView>(`/v1/keys/${encodeURIComponent(wanted)}`, { method: 'DELETE' })
    if (form.kind === 'table') process.stdout.write(`revoked ${answer.id} (${answer.name})\n`)
    else printView({ ...viewOf([answer]), document: answer }, form)
  },
})

export const keys = actionGroup({
  summary: 'Make, list, rotate and revoke API keys',
  about: 'A key with the scope admin is needed. docs/identity.md lists the scopes.',
  actions: { list, create, rotate, revoke },
  otherwise: 'list',
  examples: [{ line: 'greenroom keys', does: 'The keys that there are' }],
})

async function readAll(server: ServerConnection, projectId: string | undefined): Promise<KeyView[]> {
  const found: KeyView[] = []
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const query = new URLSearchParams({
      ...(projectId !== undefined && { projectId }),
      ...(cursor !== undefined && { cursor }),
    })
    const page = await server.ask<KeyList>(`/v1/keys?${query.toString()}`)
    found.push(...page.keys)
    cursor = page.nextCursor
  }
  return found
}

function showSecret(answer: ShownKeyView, options: FormValues): void {
  const form = formOf(options)
  if (form.kind === 'table') process.stdout.write(`${answer.key}\n`)
  else printView({ ...viewOf([answer]), document: answer }, form)
}

function viewOf(found: readonly KeyView[]): View<KeyView> {
  return {
    document: { keys: found },
    rows: found,
    nameOf: (key) => `key/${key.id}`,
    empty: 'There are no API keys.',
    columns: [
      { title: 'ID', of: (key) => key.id },
      { title: 'NAME', of: (key) => key.name },
      { title: 'PROJECT', of: ({ projectId }) => projectId ?? '(every project)' },
      { title: 'SCOPES', of: (key) => key.scopes.join(',') },
      { title: 'CREATED', of: ({ createdAt }) => createdAt },
      { title: 'STATE', of: stateOf },
    ],
  }
}

function stateOf({ revokedAt, oldSecretUntil }: KeyView): string {
  if (revokedAt !== undefined) return `revoked ${revokedAt}`
  if (oldSecretUntil === undefined || Date.parse(oldSecretUntil) < Date.now()) return 'live'
  return `live, old secret until ${oldSecretUntil}`
}
