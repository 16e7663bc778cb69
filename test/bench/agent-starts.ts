import { spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { AddressPool } from '../../bed/kubelet/address-pool.ts'
import { endedAlready, endWithMe } from '../../bed/processes/death-watch.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { warmUpDeliveries } from '../../src/delivery/warm-up-deliveries.ts'
import { agentEnv, agentPort } from '../../src/domain/names.ts'
import { threadCpuMsOf } from './cpu-meter.ts'

/** One process that is started alone: how soon it is ready, what that costs, and how it takes its first assignment. */

export interface StartCase {
  readonly name: string
  /** Checkout, the working directory. */
  readonly folder: string
  /** Of node. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** An agent can take an assignment; another process only listens. */
  readonly isAgent: boolean
}

export interface MeasuredStart {
  readonly readyMs: number
  /** Processor time of its threads until it was ready. */
  readonly cpuReadyMs: number
  /** Of a process that was left alone until nothing was left to be done. */
  readonly idle: AtRest | undefined
  /** From the signed POST to the complete answer. */
  readonly assignMs: number | undefined
}

interface AtRest {
  readonly cpuMs: number
  /** Resident, and the part of it that is the process's alone. */
  readonly residentMb: number
  readonly ownMb: number
}

/** Of those who listen for it. Every process is looked at equally often, and the looks are the measuring process's work. */
const lookEveryMs = 2
/** By then an agent has warmed up, also on a slow machine. */
const idleAfterMs = 400
const deadlineMs = 5_000
const kid = 'bench'
const podUid = randomUUID()

/** Starts processes one at a time, each on an address of its own. */
export async function createAgentStarts(addresses: AddressPool) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwks = (jwk: object) => JSON.stringify({ keys: [{ ...jwk, kid }] })
  const keys = await loadSigningKeys(jwks(privateKey.export({ format: 'jwk' })))
  const delivery = createAgentDelivery({ keys })

  async function assign(ip: string): Promise<number> {
    const sessionId = randomUUID()
    const assignment = {
      sessionId,
      epoch: 1,
      podUid,
      agentType: 'echo-agent',
      room: sessionId,
      sessionToken: 'bench',
      metadata: { topic: 'bench' },
      leaseMs: 60_000,
    }
    const began = performance.now()
    const outcome = await delivery.assign(
      { uid: podUid, name: 'bench', ip, assignKeyIds: [kid] },
      assignment,
      deadlineMs,
    )
    if (outcome.kind !== 'accepted') throw new Error(`the agent answered ${JSON.stringify(outcome)}`)
    return performance.now() - began
  }

  return async ({ folder, args, env, isAgent }: StartCase, assignAfterMs: number): Promise<MeasuredStart> => {
    const ip = addresses.take()
    // Each time: the caller's own code is not what is measured.
    await warmUpDeliveries(keys)
    const began = performance.now()
    const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
      env: {
        PATH: process.env.PATH,
        [agentEnv.podUid]: podUid,
        [agentEnv.podName]: 'bench',
        [agentEnv.agentType]: 'echo-agent',
        [agentEnv.assignKeys]: jwks(publicKey.export({ format: 'jwk' })),
        GREENROOM_LISTEN_ADDRESS: ip,
        ...env,
      },
    })
    const pid = child.pid ?? 0
    const exited = once(child, 'exit')
    endWithMe(pid)
    while (!(await isReady(ip))) {
      if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode}`)
      await setTimeout(lookEveryMs)
    }
    const [readyMs, cpuReadyMs] = [performance.now() - began, threadCpuMsOf(pid)]
    await setTimeout(assignAfterMs)
    // An agent that is claimed before has other costs.
    const idle = assignAfterMs >= idleAfterMs ? { cpuMs: threadCpuMsOf(pid), ...memoryOf(pid) } : undefined
    const assignMs = isAgent ? await assign(ip) : undefined
    child.kill('SIGTERM')
    await exited
    endedAlready(pid)
    addresses.giveBack(ip)
    return { readyMs, cpuReadyMs, idle, assignMs }
  }
}

/** When the first assignment comes, ms after ready: at once, after what an API server takes to tell, and to a pod at rest. */
export const assignTimesMs = [0, 20, idleAfterMs] as const

function isReady(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get({ host, port: agentPort, path: '/ready', agent: false }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode === 200))
    })
    asked.on('error', () => resolve(false))
  })
}

function memoryOf(pid: number): { residentMb: number; ownMb: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1_024
  return {
    residentMb: megabytes('Rss'),
    ownMb: megabytes('Private_Clean') + megabytes('Private_Dirty'),
  }
}
