import { type Static, Type } from 'typebox'
import type { ApiKey } from '../domain/api-key.ts'
import { type Scope, scopes } from '../domain/caller.ts'
import { Name } from '../domain/session-request.ts'
import type { ManageKeys, ShownKey } from '../identity/manage-keys.ts'
import type { Service } from '../serving/service.ts'
import { refusals } from './api-schemas.ts'
import { callerOf, projectFor } from './project-of.ts'

const closed = { additionalProperties: false } as const
const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' })
const ScopeName = Type.Unsafe<Scope>(Type.Union(scopes.map((scope) => Type.Literal(scope))))

const CreateKeyBody = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 100,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
      description: 'What it is for, for people.',
    }),
    scopes: Type.Array(ScopeName, { minItems: 1, maxItems: scopes.length, uniqueItems: true }),
    projectId: Type.Optional(Name(200)),
  },
  closed,
)

/** Two days of work, and no longer than anybody remembers. */
const defaultKeepSeconds = 86_400
const mostKeepSeconds = 30 * 86_400

const RotateBody = Type.Object(
  {
    keepOldSeconds: Type.Integer({
      minimum: 0,
      maximum: mostKeepSeconds,
      default: defaultKeepSeconds,
      description: 'How long the secret before is taken as well. 0 after a leak.',
    }),
  },
  closed,
)

const ListKeysQuery = Type.Object(
  {
    projectId: Type.Optional(Name(200)),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 100 }),
    cursor: Type.Optional(Type.String({ pattern: '^[0-9a-z]{12}$' })),
  },
  closed,
)

const KeyView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  projectId: Type.Optional(Type.String({ description: 'Absent: good for every project.' })),
  scopes: Type.Array(ScopeName),
  createdAt: Time,
  createdBy: Type.String({ description: 'Which credential made it.' }),
  rotatedAt: Type.Optional(Time),
  oldSecretUntil: Type.Optional(Time),
  revokedAt: Type.Optional(Time),
})
export type KeyView = Static<typeof KeyView>

const ShownKeyView = Type.Object({
  ...KeyView.properties,
  key: Type.String({ description: 'The whole key. It is shown in this answer and never again.' }),
})
export type ShownKeyView = Static<typeof ShownKeyView>

const KeyList = Type.Object({ keys: Type.Array(KeyView), nextCursor: Type.Optional(Type.String()) })
export type KeyList = Static<typeof KeyList>

const KeyParams = Type.Object({ id: Type.String({ pattern: '^[0-9a-z]{12}$' }) })
const config = { needs: 'admin' } as const
const tags = ['keys']

export function addKeyRoutes(app: Service, manageKeys: ManageKeys): void {
  addCreate(app, manageKeys)
  addList(app, manageKeys)
  addChanges(app, manageKeys)
}

function addCreate(app: Service, manageKeys: ManageKeys): void {
  const schema = {
    operationId: 'createKey',
    summary: 'Make an API key; one that is bound to a project makes keys of that project',
    tags,
    body: CreateKeyBody,
    response: { 201: ShownKeyView, ...refusals },
  }
  app.post('/v1/keys', { config, schema }, async (request, reply) => {
    const projectId = projectFor(request, request.body.projectId)
    const shown = await manageKeys.create(callerOf(request), { ...request.body, projectId })
    return reply.code(201).header('cache-control', 'no-store').send(shownKeyView(shown))
  })
}

function addList(app: Service, manageKeys: ManageKeys): void {
  const schema = {
    operationId: 'listKeys',
    summary: 'List API keys by id, revoked ones too, never their secrets',
    tags,
    querystring: ListKeysQuery,
    response: { 200: KeyList, ...refusals },
  }
  app.get('/v1/keys', { config, schema }, async (request) => {
    const { limit, cursor } = request.query
    const projectId = projectFor(request, request.query.projectId)
    // One more than is shown tells whether there is another page.
    const found = await manageKeys.list({ projectId, after: cursor, limit: limit + 1 })
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    return { keys: shown.map(keyView), ...(found.length > limit && last && { nextCursor: last.id }) }
  })
}

function addChanges(app: Service, manageKeys: ManageKeys): void {
  const common = { tags, params: KeyParams }
  const rotate = {
    ...common,
    operationId: 'rotateKey',
    summary: 'Give a key another secret; the one before is taken as well for a while',
    body: RotateBody,
    response: { 200: ShownKeyView, ...refusals },
  }
  app.post('/v1/keys/:id/rotate', { config, schema: rotate }, async (request, reply) => {
    const keepOldMs = request.body.keepOldSeconds * 1_000
    const shown = await manageKeys.rotate(callerOf(request), request.params.id, keepOldMs)
    return reply.header('cache-control', 'no-store').send(shownKeyView(shown))
  })
  const revoke = {
    ...common,
    operationId: 'revokeKey',
    summary: 'Revoke a key; every replica refuses it within a second',
    response: { 200: KeyView, ...refusals },
  }
  app.delete('/v1/keys/:id', { config, schema: revoke }, async (request) =>
    keyView(await manageKeys.revoke(callerOf(request), request.params.id)),
  )
}

function keyView(key: ApiKey): KeyView {
  return {
    id: key.id,
    name: key.name,
    scopes: [...key.scopes],
    createdAt: rfc3339(key.createdAt),
    createdBy: key.createdBy,
    ...(key.projectId !== undefined && { projectId: key.projectId }),
    ...(key.rotatedAt !== undefined && { rotatedAt: rfc3339(key.rotatedAt) }),
    ...(key.oldSecretUntil !== undefined && { oldSecretUntil: rfc3339(key.oldSecretUntil) }),
    ...(key.revokedAt !== undefined && { revokedAt: rfc3339(key.revokedAt) }),
  }
}

function shownKeyView({ key, text }: ShownKey): ShownKeyView {
  return { ...keyView(key), key: text }
}

function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString()
}
