import { writeFileSync } from 'node:fs'
import { errorCatalogue } from '../error-catalogue.ts'
import { readApiDocument } from './read-api-document.ts'

/**
 * Writes `src/client/api-types.ts`, the types of the caller's SDK, from the API's own OpenAPI document:
 * `node src/cli/client-types.ts`. A test holds the two together.
 */

const file = new URL('../client/api-types.ts', import.meta.url)

/** As biome.json has it: the generated file passes the same checks as the rest. */
const lineWidth = 110

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
}

interface Content {
  readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>>
}

interface Operation {
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
  readonly parameters?: readonly {
    readonly in: string
    readonly name: string
    readonly required: boolean
    readonly schema: JsonSchema
  }[]
}

interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** The text of `src/client/api-types.ts`. */
export async function clientTypes(): Promise<string> {
  const { paths } = (await readApiDocument()) as ApiDocument
  const operation = (path: string, method: string): Operation => {
    const found = paths[path]?.[method]
    if (!found) throw new Error(`the document has no ${method} ${path}`)
    return found
  }
  const open = operation('/v1/sessions', 'post')
  const list = operation('/v1/sessions', 'get')
  const session = schemaOf(open.responses['201'])
  const request = schemaOf(open.requestBody)
  const batch = schemaOf(operation('/v1/sessions:batch', 'post').responses['201'])
  const follow = operation('/v1/events', 'get')
  const events = unionOf(follow.responses['200']?.content['text/event-stream']?.schema)
  const pool = schemaOf(operation('/v1/pools/{agentType}', 'get').responses['200'])
  const named: Readonly<Record<string, JsonSchema | undefined>> = {
    Participant: request.properties?.participant,
    OpenRequest: request,
    SessionPod: session.properties?.pod,
    Lease: session.properties?.lease,
    LiveKitAccess: session.properties?.livekit,
    BrowserToken: session.properties?.browserToken,
    SessionView: session,
    BatchResult: batch.properties?.results?.items,
    BatchView: batch,
    ListQuery: queryOf(list),
    SessionList: schemaOf(list.responses['200']),
    PoolProblem: pool.properties?.problem,
    ThinReport: pool.properties?.thin,
    SizingTerms: pool.properties?.sizing?.properties?.terms,
    PoolSizing: pool.properties?.sizing,
    PoolReport: pool,
    PoolList: schemaOf(operation('/v1/pools', 'get').responses['200']),
    EventsQuery: queryOf(follow),
    ...events,
    Problem: schemaOf(open.responses['4XX']),
  }
  // An object that has a name is called by it wherever it stands.
  const names = new Map(Object.entries(named).map(([name, schema]) => [JSON.stringify(schema), name]))
  const interfaces = Object.entries(named).map(([name, schema]) => {
    if (!schema) throw new Error(`the document does not describe ${name}`)
    return `export interface ${name} ${bodyOf(schema, names, '')}`
  })
  const codes = Object.keys(errorCatalogue).map((code) => `  | '${code}'`)
  return `${[
    '/** Generated from the OpenAPI document by `node src/cli/client-types.ts`. */',
    ...interfaces,
    `/** What happened. A newer server may know more types. */\nexport type GreenroomEvent =\n${Object.keys(
      events,
    )
      .map((name) => `  | ${name}`)
      .join('\n')}`,
    `export type EventType = GreenroomEvent['type']`,
    [
      '/** The codes of docs/errors.md. A newer server may know more. */',
      'export type ErrorCode =',
      ...codes,
    ].join('\n'),
  ].join('\n\n')}\n`
}

function schemaOf(content: Content | undefined): JsonSchema {
  const schema = (content?.content['application/json'] ?? content?.content['application/problem+json'])
    ?.schema
  if (!schema) throw new Error('the document lacks a JSON body')
  return schema
}

/** The members of a union, named after their type: PoolEmptyEvent has the type `pool.empty`, SessionEvent one of many. */
function unionOf(union: JsonSchema | undefined): Record<string, JsonSchema> {
  if (!union?.anyOf) throw new Error('the document does not describe events')
  return Object.fromEntries(
    union.anyOf.map((schema) => {
      const { enum: types = [], anyOf = [] } = schema.properties?.type ?? {}
      const [first = '', ...others] = [...types, ...anyOf.flatMap((one) => one.enum ?? [])].map(String)
      const words = first.split(/[.-]/).slice(0, others.length > 0 ? 1 : undefined)
      const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
      return [`${name}Event`, schema]
    }),
  )
}

function queryOf({ parameters = [] }: Operation): JsonSchema {
  const query = parameters.filter((parameter) => parameter.in === 'query')
  return {
    properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
    // What has a default is required of the checked request only.
    required: [],
  }
}

type Names = ReadonlyMap<string, string>

function typeOf(schema: JsonSchema, names: Names, indent: string): string {
  const name = names.get(JSON.stringify(schema))
  if (name) return name
  if (schema.const !== undefined) return literal(schema.const)
  if (schema.enum) return schema.enum.map(literal).join(' | ')
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, names, indent)).join(' | ')
  if (schema.type === 'array') return `readonly ${elementOf(typeOf(schema.items ?? {}, names, indent))}[]`
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  if (schema.type === 'string' || schema.type === 'boolean') return schema.type
  if (schema.properties) return bodyOf(schema, names, indent)
  const values = schema.additionalProperties
  if (schema.type !== 'object') return 'unknown'
  return `Readonly<Record<string, ${typeof values === 'object' ? typeOf(values, names, indent) : 'unknown'}>>`
}

function elementOf(type: string): string {
  return type.includes(' ') ? `(${type})` : type
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
}

function bodyOf({ properties = {}, required = [] }: JsonSchema, names: Names, indent: string): string {
  const inner = `${indent}  `
  const lines = Object.entries(properties).flatMap(([name, schema]) => {
    const isOptional = !required.includes(name)
    const type = `${typeOf(schema, names, inner)}${isOptional ? ' | undefined' : ''}`
    if (isOptional && type.includes('\n')) throw new Error(`give the type of ${name} a name`)
    const comment = schema.description && !schema.properties ? [`${inner}/** ${schema.description} */`] : []
    return [...comment, ...property(`${inner}readonly ${name}${isOptional ? '?' : ''}:`, type, inner)]
  })
  return ['{', ...lines, `${indent}}`].join('\n')
}

function property(head: string, type: string, indent: string): string[] {
  const line = `${head} ${type}`
  if (type.includes('\n') || line.length <= lineWidth) return [line]
  return [head, ...type.split(' | ').map((member) => `${indent}  | ${member}`)]
}

if (import.meta.main) writeFileSync(file, await clientTypes())
