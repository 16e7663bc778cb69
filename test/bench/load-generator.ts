import { fileURLToPath } from 'node:url'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'
import { type HttpLane, type LaneAnswer, openHttpLane } from './http-lane.ts'
import { type LoadLoop, type Measured, runLoop, type Send } from './load-loop.ts'

/** One request again and again. */
export interface LoadTarget {
  readonly host: string
  readonly port: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** The status of the answer wanted. */
  readonly wanted: number
  /** Over TLS, with this certificate of the authority. */
  readonly tls?: { readonly ca: string }
}

export interface LoadSpec {
  readonly target: LoadTarget
  readonly loop:
    | Extract<LoadLoop, { kind: 'closed' }>
    | (Extract<LoadLoop, { kind: 'open' }> & { readonly lanes: number })
  readonly count: number
  readonly warmUp: number
  /** A key of its own in each request. */
  readonly idempotencyKeys?: boolean
  /** One after the other instead of the target's path. */
  readonly paths?: readonly string[]
  /** One after the other instead of the target's body. */
  readonly bodies?: readonly string[]
  /** DELETE what `location` names, so long after the answer. */
  readonly endAfterMs?: number
}

export interface LoadResult extends Measured {
  /** How often which status came; 0 for a lost connection. */
  readonly statuses: Readonly<Record<number, number>>
  readonly locations: readonly string[]
}

type LoadCalls = {
  run(spec: LoadSpec): Promise<LoadResult>
  /** DELETEs each; resolves with the number of those that did not answer 2xx. */
  end(order: { readonly target: LoadTarget; readonly locations: readonly string[] }): Promise<number>
}
export type LoadGenerator = BenchProcess<LoadCalls>

/** The load generator, a process of its own: the client's clock is not held up by the bench's other work. */
export function startLoadGenerator(logPath: string): LoadGenerator {
  return startBenchProcess({ program: fileURLToPath(new URL('./load-program.ts', import.meta.url)), logPath })
}

/** Sessions are ended on connections of their own, a few at a time: it is not what is measured. */
const endLanes = 4

export async function runLoad(spec: LoadSpec): Promise<LoadResult> {
  const { target, loop, count, warmUp, paths = [target.path], bodies = [] } = spec
  const lanes = await createLanes(target, loop.kind === 'closed' ? loop.concurrency : loop.lanes)
  const enders = await createLanes(target, spec.endAfterMs === undefined ? 0 : endLanes)
  const statuses: Record<number, number> = {}
  const locations: string[] = []
  const ending: Promise<void>[] = []
  const send: Send = async (index) => {
    const answer = await lanes.send(
      requestText(
        {
          ...target,
          path: paths[index % paths.length] ?? target.path,
          body: bodies[index % bodies.length] ?? target.body ?? '',
        },
        spec.idempotencyKeys ? `bench-${runId}-${index}` : '',
      ),
    )
    statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
    if (answer.status !== target.wanted) return false
    if (answer.location !== undefined) {
      locations.push(answer.location)
      if (spec.endAfterMs !== undefined)
        ending.push(endLater(enders, target, answer.location, spec.endAfterMs))
    }
    return true
  }
  const runId = `${process.pid}-${(runs += 1)}`
  const measured = await runLoop(loop, { count, warmUp }, send)
  await Promise.all(ending)
  lanes.close()
  enders.close()
  return { ...measured, statuses, locations }
}

let runs = 0

async function endLater(lanes: Lanes, target: LoadTarget, path: string, afterMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  await lanes.send(requestText({ ...target, method: 'DELETE', path, headers: authorizationOf(target) }))
}

export async function endAll({ target, locations }: Parameters<LoadCalls['end']>[0]): Promise<number> {
  const lanes = await createLanes(target, endLanes)
  const headers = authorizationOf(target)
  const answers = await Promise.all(
    locations.map((path) =>
      lanes.send(requestText({ host: target.host, port: target.port, method: 'DELETE', path, headers })),
    ),
  )
  lanes.close()
  return answers.filter(({ status }) => status < 200 || status > 299).length
}

function authorizationOf({ headers }: LoadTarget): Record<string, string> {
  return headers.authorization === undefined ? {} : { authorization: headers.authorization }
}

/** The request as it goes over the wire. The body has one byte a character (ASCII). */
export function requestText(
  { host, port, method, path, headers, body = '' }: Omit<LoadTarget, 'wanted' | 'tls'>,
  idempotencyKey = '',
): string {
  const all = {
    host: `${host}:${port}`,
    ...headers,
    ...(idempotencyKey !== '' && { 'idempotency-key': idempotencyKey }),
    ...(body !== '' && { 'content-type': 'application/json', 'content-length': String(body.length) }),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

interface Lanes {
  send(request: string): Promise<LaneAnswer>
  close(): void
}

/** So many connections; a request that finds none free waits for one, and its time runs. */
async function createLanes(target: LoadTarget, count: number): Promise<Lanes> {
  const all = await Promise.all(Array.from({ length: count }, () => openHttpLane(target)))
  const free: HttpLane[] = [...all]
  const queue: ((lane: HttpLane) => void)[] = []
  return {
    async send(request) {
      const lane = free.pop() ?? (await new Promise<HttpLane>((resolve) => queue.push(resolve)))
      const answer = await lane.send(request)
      const next = queue.shift()
      if (next) next(lane)
      else free.push(lane)
      return answer
    },
    close() {
      for (const lane of all) lane.close()
    },
  }
}
