import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { newKeyPair, newRecipient, podUid, privateSet, publicSet } from './contract-fixture.ts'

/** An agent as a pod runs it: a process of its own, on port 8080 of an address of its own. */

const pair = newKeyPair('k1')
/** The signed calls of a session server that these agents believe. */
export const delivery = createAgentDelivery({ keys: await loadSigningKeys(privateSet(pair)) })
const echoAgent = new URL('../../src/agent/echo-agent.ts', import.meta.url).pathname
let agents = 0

export function startEchoAgent(t: Test, extraEnv: Record<string, string> = {}) {
  return startAgentProcess(t, [process.execPath, echoAgent], extraEnv)
}

export async function startAgentProcess(
  t: Test,
  [program = '', ...args]: readonly string[],
  extraEnv: Record<string, string> = {},
) {
  // From the process id, so that a second run of these tests has other addresses.
  const ip = `127.${100 + (process.pid % 100)}.${(process.pid >> 7) % 256}.${10 + agents++}`
  const startedAt = performance.now()
  const child = spawn(program, args, {
    env: {
      GREENROOM_POD_UID: podUid,
      GREENROOM_POD_NAME: 'echo-agent-1',
      GREENROOM_ASSIGN_KEYS: publicSet(pair),
      GREENROOM_AGENT_TYPE: 'echo-agent',
      GREENROOM_LISTEN_ADDRESS: ip,
      ...extraEnv,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = exitOf(child)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const logged = (text: string | RegExp, count = 1): Promise<true> =>
    until(`${count} lines ${text}`, () => lines.filter((line) => line.match(text)).length >= count)
  await logged(/"listening"|"cannot start"/)
  t.comment(`first line after ${Math.round(performance.now() - startedAt)} ms`)
  return { child, ip, exited, lines, logged, pod: newRecipient({ ip }) }
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'exit')) as unknown[]
  return code ?? signal
}
