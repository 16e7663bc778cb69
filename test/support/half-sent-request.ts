import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'

interface HalfSent {
  readonly path: string
  readonly body: string
  /** More lines of the head than every POST of JSON has. */
  readonly headers?: readonly string[]
}

/** A POST whose body has come only in part: it is under way until it is finished or given up. */
export function sendHalf(t: Test, socket: Socket, { path, body, headers = [] }: HalfSent) {
  t.teardown(() => socket.destroy())
  let received = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text
  })
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: x',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers,
  ]
  const sent = body.slice(0, 20)
  socket.write(`${head.join('\r\n')}\r\n\r\n${sent}`)
  return {
    /** What is answered although the rest has not been sent. */
    async answer(): Promise<string> {
      await until('an answer', () => /HTTP\/1\.1 \d{3}/.test(received))
      return received
    },
    /** Sends the rest, and what comes behind it on the same connection; resolves with that many answers. */
    async finish(behind = '', answers = 1): Promise<string> {
      socket.write(body.slice(sent.length) + behind)
      await until('the answers', () => [...received.matchAll(/HTTP\/1\.1 \d{3}/g)].length === answers)
      return received
    },
    giveUp: () => socket.destroy(),
  }
}
