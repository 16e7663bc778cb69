import { type Agent, type IncomingMessage, request as startRequest } from 'node:http'

/** An answer is an echo of three short fields; whatever is longer is not one. */
const maxAnswerBytes = 64 * 1024

interface Post {
  readonly host: string
  readonly port: number
  readonly path: string
  readonly authorization: string
  readonly body: string
  readonly agent: Agent
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  /** By `performance.now()`; no phase lasts beyond it. */
  readonly deadline: number
}

export type PostResult =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  /** Something answered that does not speak our HTTP. */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** `untouched`: there was no connection, so not one byte was sent. */
  | { readonly kind: 'failed'; readonly reason: string; readonly untouched?: true }

/** One POST of JSON on a connection of its own. Never rejects for what the network or the other side does. */
export function postOnce(post: Post): Promise<PostResult> {
  return new Promise((resolve) => {
    const request = startRequest({
      host: post.host,
      port: post.port,
      path: post.path,
      method: 'POST',
      agent: post.agent,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(post.body),
        authorization: post.authorization,
      },
    })
    let connected = false
    const settle = (result: PostResult): void => {
      clearExpiry()
      resolve(result.kind === 'failed' && !connected ? { ...result, untouched: true } : result)
      // Whatever still happens on this connection is of no interest: the pod had its one answer.
      request.destroy()
    }
    let clearExpiry = expireAfterPoll(within(post.connectTimeoutMs, post.deadline), () =>
      settle({ kind: 'failed', reason: 'no connection in time' }),
    )
    request.on('socket', (socket) => {
      socket.once('connect', () => {
        connected = true
        clearExpiry()
        clearExpiry = expireAfterPoll(within(post.answerTimeoutMs, post.deadline), () =>
          settle({ kind: 'failed', reason: 'no answer in time' }),
        )
      })
    })
    request.on('response', (response) => readAnswer(response, settle))
    request.on('error', (error: NodeJS.ErrnoException) => settle(failureOf(error)))
    request.on('close', () =>
      settle({ kind: 'failed', reason: 'connection closed before the answer was complete' }),
    )
    request.end(post.body)
  })
}

function readAnswer(response: IncomingMessage, settle: (result: PostResult) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > maxAnswerBytes) {
      settle({ kind: 'malformed', reason: `answer longer than ${maxAnswerBytes} bytes` })
    }
  })
  response.on('end', () =>
    settle({ kind: 'answered', status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
  )
  response.on('error', (error: NodeJS.ErrnoException) => settle(failureOf(error)))
}

function failureOf(error: NodeJS.ErrnoException): PostResult {
  const code = error.code ?? 'unknown error'
  // llhttp's own codes: bytes came, but they are not HTTP.
  if (code.startsWith('HPE_')) return { kind: 'malformed', reason: `answer is not HTTP (${code})` }
  return { kind: 'failed', reason: `connection failed (${code})` }
}

function within(timeoutMs: number, deadline: number): number {
  return Math.max(0, Math.min(timeoutMs, deadline - performance.now()))
}

/**
 * Calls `onExpire` after `ms`, but only once the event loop has polled again: timers run before sockets are read, so
 * after a stall of this process the answer may be waiting in the kernel while the timer already fires. A healthy pod
 * must not be condemned for that. Returns the function that calls it off, good until the very last moment.
 */
function expireAfterPoll(ms: number, onExpire: () => void): () => void {
  let afterPoll: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    afterPoll = setImmediate(onExpire)
  }, ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(afterPoll)
  }
}
