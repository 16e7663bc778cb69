import { get as getPlain } from 'node:http'
import { get as getOverTls } from 'node:https'

/**
 * A stopped process never answers, although its kernel accepts connections. The time is counted in ticks: a stall of this
 * process, in which it could read no answer, is one tick. With a plain time-out of 400 ms a stall made every replica behind
 * a balancer unready at once, and their callers were reset.
 */
const tickMs = 100
const mostTicks = 4

/** Asks `/readyz` of `http(s)://host:port` as a kubelet does: no certificate is verified. */
export function isReady(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const get = url.startsWith('https:') ? getOverTls : getPlain
  const silence = new AbortController()
  const asked = get(
    `${url}/readyz`,
    { agent: false, rejectUnauthorized: false, signal: silence.signal },
    (answer) => {
      answer.resume()
      answer.on('error', () => resolve(false))
      resolve(answer.statusCode === 200)
    },
  )
  asked.on('error', () => resolve(false))
  let ticks = 0
  const clock = setInterval(() => {
    ticks += 1
    if (ticks >= mostTicks) silence.abort()
  }, tickMs)
  return promise.finally(() => clearInterval(clock))
}
