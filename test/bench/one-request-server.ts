import { createServer, type Server } from 'node:net'

/** What a request says, as far as agents need it. */
export interface OneRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: Buffer
}

export interface OneReply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** As the agent SDK bounds an assignment. */
const mostBytes = 256 * 1024
const noBody = Buffer.alloc(0)

/**
 * A server that answers the one request of each connection and closes it, as a delivery asks (`Connection: close`). By hand
 * rather than through node:http, for the same reason as http-lane.ts: thousands of played agents share the cores with what is
 * measured. It reads requests with a Content-Length only; what is none is cut off.
 */
export function createOneRequestServer(answer: (request: OneRequest) => Promise<OneReply>): Server {
  return createServer({ noDelay: true }, (socket) => {
    let read: Buffer = noBody
    let isAnswered = false
    socket.on('data', (chunk: Buffer) => {
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk])
      const request = isAnswered ? undefined : wholeRequest(read)
      if (request === undefined) {
        if (read.length > mostBytes) socket.destroy()
        return
      }
      isAnswered = true
      void answer(request).then((reply) => socket.end(replyText(reply)))
    })
    // Whoever calls may go at any time.
    socket.on('error', () => socket.destroy())
  })
}

/** undefined while some of it is still to come. */
function wholeRequest(read: Buffer): OneRequest | undefined {
  const headEnd = read.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = read.toString('latin1', 0, headEnd)
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  if (read.length < headEnd + 4 + length) return undefined
  const [method = '', path = ''] = head.split(' ', 2)
  return {
    method,
    path,
    authorization: /\r\nauthorization: ([^\r]+)/i.exec(head)?.[1],
    body: read.subarray(headEnd + 4, headEnd + 4 + length),
  }
}

function replyText({ status, contentType, body }: OneReply): string {
  const length = Buffer.byteLength(body)
  return `HTTP/1.1 ${status} -\r\ncontent-type: ${contentType}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`
}
