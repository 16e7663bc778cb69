import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubeAccess } from '../../src/cluster/kube-access.ts'

/** One collection over HTTP, with the faults that a real API server does not show on demand. */
export interface FakeApiServer {
  readonly access: KubeAccess
  /** Queries of the lists and watches so far. */
  readonly lists: URLSearchParams[]
  readonly watches: FakeWatch[]
  /** Writes an object under the next version; `silently` tells no watch. */
  put(name: string, more?: Readonly<Record<string, unknown>>, silently?: boolean): FakeObject
  remove(name: string, silently?: boolean): void
  version(): string
  /** True: a fieldSelector for metadata.name is followed. Otherwise every client sees all objects. */
  selective: boolean
  /** Objects per page at most, whatever the client asks for. */
  pageSize: number
  /** Answers a list instead of the server; undefined lets it pass. */
  listFault: ((query: URLSearchParams) => FakeFault | undefined) | undefined
  watchFault: ((query: URLSearchParams) => FakeFault | undefined) | undefined
  openWatches(): FakeWatch[]
  connections(): Promise<number>
  stop(): Promise<void>
}

export interface FakeFault {
  readonly status: number
  readonly body: string
}

export interface FakeObject {
  readonly metadata: {
    readonly uid: string
    readonly name: string
    readonly resourceVersion: string
    readonly [key: string]: unknown
  }
  readonly [key: string]: unknown
}

export interface FakeWatch {
  readonly query: URLSearchParams
  /** Nothing is forwarded any more, but the connection stays: half-open. */
  mute: boolean
  event(type: string, object: unknown): void
  line(text: string): void
  raw(bytes: Uint8Array): void
  /** In order, as after timeoutSeconds. */
  end(): void
  cut(): void
  closed: boolean
}

export function statusBody(code: number, reason: string, message: string): string {
  return JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message })
}

export const gone: FakeFault = {
  status: 410,
  body: statusBody(410, 'Expired', 'too old resource version: 1 (2)'),
}

export async function startFakeApiServer(): Promise<FakeApiServer> {
  let version = 100
  const objects = new Map<string, FakeObject>()
  const lists: URLSearchParams[] = []
  const watches: FakeWatch[] = []
  const snapshots = new Map<string, { items: FakeObject[]; resourceVersion: string }>()

  const history: { type: string; object: FakeObject }[] = []

  const tell = (type: string, object: FakeObject): void => {
    history.push({ type, object })
    for (const watch of watches) {
      if (!watch.closed && !watch.mute && isSelected(watch.query, object, fake.selective))
        watch.event(type, object)
    }
  }

  const answerList = (query: URLSearchParams, response: ServerResponse): void => {
    lists.push(query)
    const fault = fake.listFault?.(query)
    if (fault) return answer(response, fault)
    const [id = '', offset = '0'] = (query.get('continue') ?? '').split(':')
    const items = [...objects.values()].filter((object) => isSelected(query, object, fake.selective))
    const snapshot = snapshots.get(id) ?? { items, resourceVersion: String(version) }
    const from = Number(offset)
    const to = from + Math.min(fake.pageSize, Number(query.get('limit') ?? fake.pageSize))
    const more = to < snapshot.items.length
    const next = id || String(snapshots.size + 1)
    if (more) snapshots.set(next, snapshot)
    const metadata = {
      resourceVersion: snapshot.resourceVersion,
      ...(more && { continue: `${next}:${to}` }),
    }
    answer(response, {
      status: 200,
      body: JSON.stringify({ metadata, items: snapshot.items.slice(from, to) }),
    })
  }

  const answerWatch = (query: URLSearchParams, response: ServerResponse): void => {
    const fault = fake.watchFault?.(query)
    if (fault) return answer(response, fault)
    const watch = createFakeWatch(query, response)
    watches.push(watch)
    const from = Number(query.get('resourceVersion'))
    for (const { type, object } of history)
      if (Number(object.metadata.resourceVersion) > from && isSelected(query, object, fake.selective))
        watch.event(type, object)
  }

  const server = createServer((request: IncomingMessage, response) => {
    const query = new URL(request.url ?? '/', 'http://fake').searchParams
    if (query.get('watch') === 'true') answerWatch(query, response)
    else answerList(query, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  const fake: FakeApiServer = {
    access: accessTo(`http://127.0.0.1:${port}`),
    lists,
    watches,
    selective: false,
    pageSize: 1000,
    listFault: undefined,
    watchFault: undefined,
    put(name, more = {}, silently = false) {
      const before = objects.get(name)
      version += 1
      const { metadata, ...rest } = more
      const object: FakeObject = {
        ...rest,
        metadata: {
          uid: before?.metadata.uid ?? `uid-${name}-${version}`,
          ...(metadata as object | undefined),
          name,
          resourceVersion: String(version),
        },
      }
      objects.set(name, object)
      if (!silently) tell(before ? 'MODIFIED' : 'ADDED', object)
      return object
    },
    remove(name, silently = false) {
      const before = objects.get(name)
      if (!before) return
      version += 1
      objects.delete(name)
      const last = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } }
      if (!silently) tell('DELETED', last)
    },
    version: () => String(version),
    openWatches: () => watches.filter((watch) => !watch.closed),
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    async stop() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  return fake
}

/** The one field selector that the API server has for every kind. */
function isSelected(query: URLSearchParams, { metadata }: FakeObject, selective: boolean): boolean {
  if (!selective) return true
  const name = query.get('fieldSelector')?.replace('metadata.name=', '')
  return name === undefined || name === metadata.name
}

function createFakeWatch(query: URLSearchParams, response: ServerResponse): FakeWatch {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  const watch: FakeWatch = {
    query,
    mute: false,
    closed: false,
    event: (type, object) => watch.line(JSON.stringify({ type, object })),
    line: (text) => watch.raw(Buffer.from(`${text}\n`)),
    raw: (bytes) => {
      response.write(bytes)
    },
    end: () => {
      watch.closed = true
      response.end()
    },
    cut: () => {
      watch.closed = true
      response.socket?.resetAndDestroy()
    },
  }
  response.once('close', () => {
    watch.closed = true
  })
  return watch
}

function answer(response: ServerResponse, { status, body }: FakeFault): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body)
}

export function accessTo(server: string): KubeAccess {
  return { server, credentials: () => Promise.resolve({ headers: {}, tls: {} }) }
}
