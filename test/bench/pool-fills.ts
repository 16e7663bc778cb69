import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Bed, startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { configMapKey, configMapName } from '../../src/domain/names.ts'
import { agentType } from './bench-bed.ts'
import { childrenOf, threadCpuMsOf } from './cpu-meter.ts'

/** A whole bed whose pool is filled from nothing with real agents, of one checkout and then of another. */

export interface MeasuredFill {
  /** From the first create to the last Ready that the API server shows. */
  readonly fillMs: number
  readonly perSecond: number
  /** Processor time of a pod, ms, by process; `agents` until they are at rest. PostgreSQL's backends are not in it. */
  readonly cpuMsPerPod: Readonly<Record<string, number>>
}

interface FillsOptions {
  readonly pods: number
  readonly say: (line: string) => void
}

/** Also for the first fill of a checkout, whose agents compile their sources. */
const fullTimeoutMs = 120_000
/** Agents warm up after they are Ready. */
const restMs = 1_000

export async function startPoolFills({ pods, say }: FillsOptions) {
  const links = await temporaryFolder('agents')
  const agentsFolder = join(links.path, 'checkout')
  const bed = await startBed({ pools: poolsDocument({ min: 0, max: 2 * pods }), agentsFolder, say })
  const client = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey })

  async function resize(min: number): Promise<void> {
    const data = { [configMapKey.pools]: poolsDocument({ min, max: 2 * pods }) }
    const patch = ['patch', 'configmap', configMapName.pools, '-n', bed.namespace, '--type=merge']
    await bed.plane.kubectl([...patch, '-p', JSON.stringify({ data })])
    const look = async () => {
      const { ready, warming, draining } = (await client.pool(agentType)).body
      return ready === min && warming === 0 && draining === 0
    }
    await until(`a pool of ${min}`, look, fullTimeoutMs)
  }

  return {
    /** The pool is empty before and after it. */
    async fill(folder: string): Promise<MeasuredFill> {
      await rm(agentsFolder, { force: true })
      await symlink(folder, agentsFolder)
      const [seen, before] = [(await bed.plane.writes()).length, processesOf(bed)]
      await resize(pods)
      const fullAtMs = Date.now()
      await setTimeout(restMs)
      const after = processesOf(bed)
      const agents = childrenOf(bed.kubelet.pid).reduce((sum, pid) => sum + threadCpuMsOf(pid), 0)
      const first = (await bed.plane.writes())
        .slice(seen)
        .find(({ verb, resource }) => verb === 'create' && resource === 'pods')
      await resize(0)
      const fillMs = fullAtMs - (first?.at ?? 0)
      const each = Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? 0)) / pods])
      return {
        fillMs,
        perSecond: (pods / fillMs) * 1_000,
        cpuMsPerPod: { agents: agents / pods, ...Object.fromEntries(each) },
      }
    },
    async stop(): Promise<void> {
      client.close()
      await bed.stop()
      await links.remove()
    },
  }
}

function processesOf(bed: Bed): Record<string, number> {
  const roles = [...bed.roles].map(([name, role]): [string, number] => [name, role.pid()])
  const pids = {
    ...bed.plane.pids,
    kubelet: bed.kubelet.pid,
    redis: bed.redis.pid,
    ...Object.fromEntries(roles),
  }
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, threadCpuMsOf(pid)]))
}
