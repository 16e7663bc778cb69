import { get as getPlain } from 'node:http'
import { get as getOverTls } from 'node:https'

/** A stopped process accepts connections (its kernel does) and answers nothing. */
const checkTimeoutMs = 400

/** Asks `/readyz` of `http(s)://host:port` as a kubelet does, whatever certificate it shows. */
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
