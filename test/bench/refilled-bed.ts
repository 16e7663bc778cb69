import { join } from 'node:path'
import { strategicMergePatch } from '../../bed/kubelet/kube-api.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { setPace } from '../../bed/processes/process-pace.ts'
import { until } from '../../bed/processes/until.ts'
import { configMapKey, configMapName } from '../../src/domain/names.ts'
import { startAgentsProcess } from './agents-process.ts'
import { agentType, type GreenroomBed, namespace, startGreenroomBed } from './bench-bed.ts'
import { type LoadGenerator, startLoadGenerator } from './load-generator.ts'

/** A whole Greenroom whose pool is refilled: real API server, webhook and controller; agents and kubelet are played. */
export interface RefilledBed extends GreenroomBed {
  readonly load: LoadGenerator
  /** Waits until the pool is full and nothing is on its way. */
  untilFull(): Promise<void>
  /** From now on the controller creates at most so many pods a second. */
  paceRefill(perSecond: number): Promise<void>
}

interface RefilledBedOptions {
  readonly pool: number
  /** Of claimed, warming and ending pods together, beyond the pool. */
  readonly more: number
  readonly onEmpty: 'wait' | 'fail'
  readonly readyAfterMs?: number
  /** A checkout of another version, whose roles run. */
  readonly folder?: string | undefined
  /** Of every role, beside those of production. */
  readonly nodeArgs?: readonly string[]
  readonly say: (line: string) => void
}

/** As a small container with a readiness probe every 100 ms would take with its image on the node, less its own start. */
const usualReadyAfterMs = 50
/** Seconds on a machine of its own; minutes where a test suite runs beside it. */
const fullTimeoutMs = 300_000

export async function startRefilledBed(options: RefilledBedOptions): Promise<RefilledBed> {
  const { pool, more, onEmpty, readyAfterMs = usualReadyAfterMs, folder, nodeArgs, say } = options
  const poolsText = (refill?: string) =>
    poolsDocument({ min: pool, max: pool + more, ...(refill !== undefined && { more: refill }) })
  const bed = await startGreenroomBed({
    say,
    pools: poolsText(),
    webhook: true,
    folder,
    nodeArgs,
    body: {
      agentType,
      projectId: 'bench',
      participant: { identity: 'caller' },
      metadata: { topic: 'bench' },
      onEmpty,
    },
  })
  try {
    const agents = startAgentsProcess(join(bed.folder, 'agents.log'))
    bed.onStop(() => agents.stop())
    const load = startLoadGenerator(join(bed.folder, 'load.log'))
    bed.onStop(() => load.stop())
    await agents.call('start', { count: pool + more, assignKeys: bed.assignKeys })
    await agents.call('serve', { kubeconfigPath: bed.kubeletConfig, readyAfterMs })
    // Agents and kubelet share a process; it answers the claims, so it comes with those who serve.
    setPace(agents.pid, 'serving')
    await Promise.all([bed.startApi(), bed.startController()])
    const refilled: RefilledBed = {
      ...bed,
      load,
      untilFull: () => untilFull(bed, pool),
      paceRefill: (perSecond) => changePools(bed, poolsText(`refill: { perSecond: ${perSecond} }`)),
    }
    await refilled.untilFull()
    say(`the pool of ${pool} is full`)
    return refilled
  } catch (error) {
    await bed.stop()
    throw error
  }
}

/** As an operator does it; the controller applies it within milliseconds. */
async function changePools({ kube }: GreenroomBed, text: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/configmaps/${configMapName.pools}`
  const body = { data: { [configMapKey.pools]: text } }
  const { status } = await kube.send({ method: 'PATCH', path, body, contentType: strategicMergePatch })
  if (status !== 200) throw new Error(`PATCH ${path}: HTTP ${status}`)
}

async function untilFull(bed: GreenroomBed, pool: number): Promise<void> {
  let last: unknown
  const look = async () => {
    const { body } = await bed.pool()
    last = body
    return body.ready >= pool && body.warming === 0 && body.claimed === 0 && body.draining === 0
  }
  await until(`a pool of ${pool}`, look, fullTimeoutMs).catch((error: unknown) => {
    throw new Error(`the pool does not fill: ${JSON.stringify(last)}`, { cause: error })
  })
}
