import { randomUUID } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { type EventType, eventTypes } from '../domain/event.ts'
import type { EventWebhook, WebhookStore } from '../domain/event-webhook.ts'
import { Name } from '../domain/session-request.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import { refusals } from './api-schemas.ts'
import { callerOf, projectFor, projectOf } from './project-of.ts'
import { isSessionId } from './session-view.ts'

export interface WebhookRouteDeps {
  readonly eventWebhooks: Pick<WebhookStore, 'create' | 'list' | 'get' | 'change' | 'remove'>
  /** What its owner checks signatures with. */
  readonly webhookSecretOf: (webhookId: string) => string
}

const closed = { additionalProperties: false } as const
const Url = Type.String({
  maxLength: 2_000,
  description:
    'https://…, in the internet; other addresses only in a network of GREENROOM_EVENT_NETWORKS. Redirects are not followed.',
})
const Types = Type.Array(Type.Unsafe<EventType>(Type.Union(eventTypes.map((type) => Type.Literal(type)))), {
  minItems: 1,
  maxItems: 50,
  description: 'Which events; all of them unless given.',
})
const Place = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description:
    'Send what came after the event with this id, again or for the first time. 0: everything that is kept.',
})
const NewWebhook = Type.Object(
  {
    url: Url,
    types: Type.Optional(Types),
    projectId: Type.Optional(Name(200)),
    after: Type.Optional(Place),
  },
  closed,
)
const Change = Type.Object(
  {
    url: Type.Optional(Url),
    types: Type.Optional(Types),
    after: Type.Optional(Place),
    active: Type.Optional(
      Type.Literal(true, { description: 'Begin again after it was disabled, where it stopped.' }),
    ),
  },
  closed,
)
const Time = Type.String({ format: 'date-time' })
const WebhookView = Type.Object({
  id: Type.String(),
  url: Type.String(),
  projectId: Type.Optional(Type.String()),
  types: Type.Optional(Types),
  after: Type.Integer({ description: 'Everything up to the event with this id is delivered.' }),
  state: Type.Union([Type.Literal('active'), Type.Literal('failing'), Type.Literal('disabled')]),
  failures: Type.Integer({ description: 'Tries in a row that failed.' }),
  failingSince: Type.Optional(Time),
  lastError: Type.Optional(Type.String()),
  createdAt: Time,
})
export type WebhookView = Static<typeof WebhookView>
const MadeWebhook = Type.Object({
  ...WebhookView.properties,
  secret: Type.String({ description: 'Signs what is sent. It is shown here and never again.' }),
})
export type MadeWebhook = Static<typeof MadeWebhook>
const Params = Type.Object({ id: Type.String() })

/** Each may lead a thread of deliveries; a project needs one for each of its systems. */
const mostOfProject = 20
const config = { needs: 'admin' } as const
const tags = ['events']

export function addWebhookRoutes(app: Service, deps: WebhookRouteDeps): void {
  addCreate(app, deps)
  addReads(app, deps)
  addChanges(app, deps)
}

function addCreate(app: Service, { eventWebhooks, webhookSecretOf }: WebhookRouteDeps): void {
  const schema = {
    operationId: 'createWebhook',
    summary: 'Have events sent to an address, signed',
    tags,
    body: NewWebhook,
    response: { 201: MadeWebhook, ...refusals },
  }
  app.post('/v1/webhooks', { config, schema }, async (request, reply) => {
    const { body } = request
    const { after: position, types } = body
    const id = randomUUID()
    const projectId = projectFor(request, body.projectId)
    const made = await eventWebhooks.create(
      { id, projectId, url: checkedUrl(body.url), types, position },
      mostOfProject,
      callerOf(request),
    )
    if (!made) throw new GreenroomError('GRN_WEBHOOKS_FULL', `There are ${mostOfProject} webhooks.`)
    return reply
      .code(201)
      .header('location', `/v1/webhooks/${id}`)
      .send({ ...viewOf(made), secret: webhookSecretOf(id) })
  })
}

function addReads(app: Service, { eventWebhooks }: WebhookRouteDeps): void {
  const list = Type.Object({ webhooks: Type.Array(WebhookView) })
  app.get(
    '/v1/webhooks',
    {
      config,
      schema: {
        operationId: 'listWebhooks',
        summary: 'The webhooks of the project',
        tags,
        response: { 200: list, ...refusals },
      },
    },
    async (request) => ({ webhooks: (await eventWebhooks.list(projectOf(request))).map(viewOf) }),
  )
  app.get(
    '/v1/webhooks/:id',
    {
      config,
      schema: {
        operationId: 'readWebhook',
        summary: 'One webhook, and why it fails',
        tags,
        params: Params,
        response: { 200: WebhookView, ...refusals },
      },
    },
    async (request) =>
      viewOf(found(await eventWebhooks.get(webhookIdOf(request.params), projectOf(request)))),
  )
}

function addChanges(app: Service, { eventWebhooks }: WebhookRouteDeps): void {
  app.patch(
    '/v1/webhooks/:id',
    {
      config,
      schema: {
        operationId: 'changeWebhook',
        summary: 'Change a webhook, send again from an event on, or begin again after it was disabled',
        tags,
        params: Params,
        body: Change,
        response: { 200: WebhookView, ...refusals },
      },
    },
    async (request) => {
      const { params, body } = request
      const { url, types, after: position, active } = body
      const change = { url: url === undefined ? undefined : checkedUrl(url), types, position, active }
      return viewOf(
        found(await eventWebhooks.change(webhookIdOf(params), change, projectOf(request), callerOf(request))),
      )
    },
  )
  app.delete(
    '/v1/webhooks/:id',
    {
      config,
      schema: {
        operationId: 'deleteWebhook',
        summary: 'Send nothing more to an address',
        tags,
        params: Params,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      if (!(await eventWebhooks.remove(webhookIdOf(request.params), projectOf(request), callerOf(request))))
        throw notFound()
      return reply.code(204).send(null)
    },
  )
}

/** Another form cannot be one of ours, and PostgreSQL would call it an error. */
function webhookIdOf({ id }: { readonly id: string }): string {
  if (!isSessionId(id)) throw notFound()
  return id
}

function found(webhook: EventWebhook | undefined): EventWebhook {
  if (!webhook) throw notFound()
  return webhook
}

function notFound(): GreenroomError {
  return new GreenroomError('GRN_WEBHOOK_NOT_FOUND')
}

/** Where it leads is judged at each delivery, after its name was resolved. */
function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain =
    url && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === ''
  if (!isPlain || url.hash !== '')
    throw new GreenroomError(
      'GRN_INVALID_REQUEST',
      '/url: is not an https:// address without user and fragment.',
    )
  return url.href
}

function viewOf(webhook: EventWebhook): WebhookView {
  const { id, url, projectId, types, position, disabledFor, failures, failingSince, lastError, createdAt } =
    webhook
  return {
    id,
    url,
    after: position,
    state: disabledFor !== undefined ? 'disabled' : failures > 0 ? 'failing' : 'active',
    failures,
    createdAt: new Date(createdAt).toISOString(),
    ...(projectId !== undefined && { projectId }),
    ...(types !== undefined && { types: [...types] }),
    ...(failingSince !== undefined && { failingSince: new Date(failingSince).toISOString() }),
    ...(lastError !== undefined && { lastError }),
  }
}
