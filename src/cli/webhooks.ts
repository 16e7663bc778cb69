import { eventTypes } from '../domain/event.ts'
import type { MadeWebhook, WebhookView } from '../http/webhook-routes.ts'
import { action, actionGroup } from './line/command-spec.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { type FormValues, formOptions, serverOptions } from './line/shared-options.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'
import { openServer } from './reach/server-connection.ts'

const id = { name: 'ID', help: 'the id of the webhook, as "webhooks list" shows it' }
const shared = { ...formOptions, ...serverOptions }
const types = {
  type: 'string',
  multiple: true,
  value: 'TYPE',
  words: eventTypes,
  help: 'these events only',
} as const
const after = {
  type: 'string',
  value: 'EVENT-ID',
  help: 'send what came after this event, again or for the first time; 0: all that is kept',
} as const
const url = { type: 'string', value: 'URL', help: 'https://…, where the events go' } as const
const highestId = 999_999_999

const list = action({
  summary: 'List the webhooks, and why they fail',
  options: shared,
  examples: [{ line: 'greenroom webhooks -o wide', does: 'With the newest error of each' }],
  async run({ options }) {
    const form = formOf(options)
    await using server = await openServer(options)
    const answer = await server.ask<{ webhooks: WebhookView[] }>('/v1/webhooks')
    printView(viewOf(answer.webhooks, answer), form)
  },
})

const get = action({
  summary: 'Show one webhook',
  arguments: [id],
  options: shared,
  examples: [{ line: 'greenroom webhooks get ID -o yaml', does: 'All that is known of it' }],
  async run({ words: [wanted = ''], options }) {
    const form = formOf(options)
    await using server = await openServer(options)
    const view = await server.ask<WebhookView>(pathOf(wanted))
    printView(viewOf([view], view), form)
  },
})

const create = action({
  summary: 'Have events sent to an address; the secret that signs them is printed once',
  options: {
    url,
    event: types,
    after,
    project: { type: 'string', value: 'PROJECT', help: 'events of this project only' },
    ...shared,
  },
  examples: [
    {
      line: 'greenroom webhooks create --url https://shop.example/greenroom',
      does: 'All events of your project',
    },
  ],
  async run({ options }) {
    if (options.url === undefined) throw wrongArguments('create needs --url.')
    const { project } = options
    const body = { ...changeOf(options), ...(project !== undefined && { projectId: project }) }
    await using server = await openServer(options)
    showMade(await server.ask<MadeWebhook>('/v1/webhooks', { method: 'POST', body }), options)
  },
})

const change = action({
  summary: 'Change a webhook, send again from an event on, or begin again after it was disabled',
  arguments: [id],
  options: {
    url,
    event: types,
    after,
    activate: { type: 'boolean', help: 'begin again where it stopped' },
    ...shared,
  },
  examples: [{ line: 'greenroom webhooks change ID --activate', does: 'The receiver works again' }],
  async run({ words: [wanted = ''], options }) {
    const body = { ...changeOf(options), ...(options.activate === true && { active: true }) }
    if (Object.keys(body).length === 0)
      throw wrongArguments('change needs --url, --event, --after or --activate.')
    const form = formOf(options)
    await using server = await openServer(options)
    const view = await server.ask<WebhookView>(pathOf(wanted), { method: 'PATCH', body })
    printView(viewOf([view], view), form)
  },
})

const remove = action({
  summary: 'Send nothing more to an address',
  arguments: [id],
  options: serverOptions,
  examples: [{ line: 'greenroom webhooks delete ID', does: 'Nothing more is sent' }],
  async run({ words: [wanted = ''], options }) {
    await using server = await openServer(options)
    await server.ask(pathOf(wanted), { method: 'DELETE' })
    process.stdout.write(`deleted ${wanted}\n`)
  },
})

export const webhooks = actionGroup({
  summary: 'Have events sent to an address, and see why that fails',
  about:
    'docs/events.md says what is sent and how a receiver checks the signature. A key with the scope admin is needed.',
  actions: { list, get, create, change, delete: remove },
  otherwise: 'list',
  examples: [{ line: 'greenroom webhooks', does: 'The webhooks of your project' }],
})

interface ChangeValues {
  readonly url?: string | undefined
  readonly event?: readonly string[] | undefined
  readonly after?: string | undefined
}

function changeOf({ url: address, event: wanted, after: place }: ChangeValues) {
  return {
    ...(address !== undefined && { url: address }),
    ...(wanted !== undefined && { types: wanted }),
    ...(place !== undefined && { after: wholeNumber('--after', place, [0, highestId]) }),
  }
}

function pathOf(wanted: string): string {
  return `/v1/webhooks/${encodeURIComponent(wanted)}`
}

function showMade(made: MadeWebhook, options: FormValues): void {
  const form = formOf(options)
  if (form.kind === 'table') process.stdout.write(`${made.id}\n${made.secret}\n`)
  else printView(viewOf([made], made), form)
}

function viewOf(found: readonly WebhookView[], document: unknown): View<WebhookView> {
  return {
    document,
    rows: found,
    nameOf: (webhook) => `webhook/${webhook.id}`,
    empty: 'There are no webhooks.',
    columns: [
      { title: 'ID', of: (webhook) => webhook.id },
      { title: 'URL', of: (webhook) => webhook.url },
      { title: 'PROJECT', of: ({ projectId }) => projectId ?? '(every project)' },
      {
        title: 'STATE',
        of: ({ state }) => state,
        tone: ({ state }) => (state === 'active' ? 'good' : state === 'failing' ? 'doubtful' : 'bad'),
      },
      { title: 'FAILURES', of: ({ failures }) => String(failures) },
      { title: 'AFTER', of: (webhook) => String(webhook.after), wide: true },
      { title: 'NEWEST ERROR', of: ({ lastError }) => lastError ?? '-', wide: true },
    ],
  }
}
