import { get as getPlain } from 'node:http'
import { get as getOverTls } from 'node:https'

/** A stopped process never answers, although its kernel accepts connections. */
const checkTimeoutMs = 400

/** Asks `/readyz` of `http(s)://host:port` as a kubelet does: no certificate is verified. */
export function isReady(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const get = url.startsWith('https:') ? getOverTls : getPlain
  const asked = get(
    `${url}/readyz`,
    { agent: false, rejectUnauthorized: false, signal: AbortSignal.timeout(checkTimeoutMs) },
    (answer) => {
      answer.resume()
      answer.on('error', () => resolve(false))
      resolve(answer.statusCode === 200)
    },
  )
  asked.on('error', () => resolve(false))
  return promise
}
