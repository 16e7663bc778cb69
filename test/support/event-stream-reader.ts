import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'

/** One block of a stream of server-sent events, as it came. */
export interface Block {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: Readonly<Record<string, unknown>> | undefined
  readonly retry: string | undefined
  readonly isComment: boolean
}

/** Reads a stream as a client of its own would, without the SDK. */
export interface StreamReader {
  status(): number | undefined
  headers(): IncomingHttpHeaders
  readonly blocks: readonly Block[]
  /** Of the events, without comments, `reset` and `closed`. */
  types(): readonly string[]
  ids(): readonly number[]
  /** The whole text; of a refusal, its body. */
  text(): string
  /** The server ended it, or the connection broke. */
  isOver(): boolean
  /** Reads no more from the socket; the server is not told. */
  stopReading(): void
  hangUp(): void
  untilTypes(...types: readonly string[]): Promise<void>
}

interface ReadOptions {
  readonly apiKey: string
  readonly headers?: Readonly<Record<string, string>>
  /** Closed with the test, unless it is closed before. */
  readonly t?: Test
}

export function readStream(url: string, { apiKey, headers = {}, t }: ReadOptions): StreamReader {
  const blocks: Block[] = []
  let text = ''
  let parsed = 0
  let response: IncomingMessage | undefined
  let over = false
  const sent: ClientRequest = request(url, {
    agent: false,
    headers: { authorization: `Bearer ${apiKey}`, ...headers },
  })
  const end = () => {
    over = true
  }
  sent.on('error', end)
  sent.on('response', (answer) => {
    response = answer
    answer.setEncoding('utf8')
    answer.on('data', (chunk: string) => {
      text += chunk
      for (let at = text.indexOf('\n\n', parsed); at >= 0; at = text.indexOf('\n\n', parsed)) {
        blocks.push(blockOf(text.slice(parsed, at)))
        parsed = at + 2
      }
    })
    answer.on('close', end)
    answer.on('error', end)
  })
  sent.end()
  t?.teardown(() => sent.destroy())
  const events = () => blocks.filter(({ data, event }) => data && event !== 'reset' && event !== 'closed')
  const types = () => events().map(({ event }) => String(event))
  return {
    status: () => response?.statusCode,
    headers: () => response?.headers ?? {},
    blocks,
    types,
    ids: () => events().map(({ id }) => Number(id)),
    text: () => text,
    isOver: () => over,
    stopReading: () => void response?.pause(),
    hangUp: () => sent.destroy(),
    async untilTypes(...wanted) {
      await until(wanted.join(), () => types().join() === wanted.join()).catch((error: unknown) => {
        throw new Error(`${url} told ${types().join()}`, { cause: error })
      })
    },
  }
}

function blockOf(text: string): Block {
  const lines = text.split('\n')
  const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
  const data = field('data')
  return {
    id: field('id'),
    event: field('event'),
    data: data === undefined ? undefined : (JSON.parse(data) as Record<string, unknown>),
    retry: field('retry'),
    isComment: lines.every((line) => line.startsWith(':')),
  }
}
