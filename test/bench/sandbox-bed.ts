import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { V1CustomResourceDefinition } from '@kubernetes/client-node'
import { createKubeApi, type KubeApi } from '../../bed/kubelet/kube-api.ts'
import { setPace } from '../../bed/processes/process-pace.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import { startAgentsProcess } from './agents-process.ts'
import { podsPathOf } from './bench-pods.ts'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'
import type { ClaimCalls } from './sandbox-claims.ts'
import { type SandboxController, startSandboxController } from './sandbox-controller.ts'
import {
  claimObject,
  type SandboxKinds,
  sandboxPath,
  templateObject,
  warmPoolObject,
} from './sandbox-kinds.ts'

/** agent-sandbox with a warm pool on an API server of its own; its kubelet is the played one that Greenroom has in benches. */
export interface SandboxBed {
  /** The caller, in a process of its own. */
  readonly claims: BenchProcess<ClaimCalls>
  readonly controller: SandboxController
  /** Waits until the pool is full and nothing is on its way. */
  untilFull(): Promise<void>
  stop(): Promise<void>
}

interface SandboxBedOptions {
  /** The controller's program. */
  readonly program: string
  readonly flags: readonly string[]
  readonly kinds: SandboxKinds
  readonly pool: number
  /** Claimed, starting and ending pods together, beyond the pool. */
  readonly more: number
  readonly readyAfterMs: number
  /** How long the pool may take to be full, each time. */
  readonly fullTimeoutMs?: number
  readonly say: (line: string) => void
}

const namespace = 'agent-sandbox'
const names = { template: 'agents', pool: 'agents' }
/** Half a minute on a machine of its own; minutes where a test suite runs beside it. */
const usualFullTimeoutMs = 180_000

export async function startSandboxBed(options: SandboxBedOptions): Promise<SandboxBed> {
  const temporary = await temporaryFolder('peer')
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const parts = await startParts(temporary.path, options, (step) => undo.push(step))
    await parts.untilFull()
    options.say(`agent-sandbox: the pool of ${options.pool} is full`)
    return { ...parts, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startParts(
  folder: string,
  options: SandboxBedOptions,
  onStop: (step: () => Promise<void>) => void,
): Promise<Omit<SandboxBed, 'stop'>> {
  const { kinds, pool, fullTimeoutMs = usualFullTimeoutMs, say } = options
  const plane = await startControlPlane({ folder })
  onStop(() => plane.stop())
  await plane.createNamespace(namespace)
  const kubeconfigPath = await plane.kubeconfigFor('bench', ['system:masters'])
  const kube = await createKubeApi(kubeconfigPath)
  onStop(async () => kube.close())
  await define(kube, kinds)
  onStop(await startKubelet({ folder, kubeconfigPath, ...options }))
  const controller = await startController(plane, { folder, ...options })
  onStop(() => controller.stop())
  const claims = await startCaller({ folder, kubeconfigPath, kinds })
  onStop(() => claims.stop())
  say('agent-sandbox: API server, kubelet and controller are up')
  await create(kube, sandboxPath(kinds.template, namespace), templateObject(kinds, names))
  await create(kube, sandboxPath(kinds.warmPool, namespace), warmPoolObject(kinds, names, pool))
  return {
    claims,
    controller,
    async untilFull() {
      const full = until('a full pool of agent-sandbox', () => isFull(kube, kinds, pool), fullTimeoutMs)
      const told = full.catch(async (cause: Error) => {
        throw new Error(`${cause.message}; its controller says:\n${await controller.lastWords()}`, { cause })
      })
      await controller.whileRunning(told)
    },
  }
}

interface KubeletOptions extends Pick<SandboxBedOptions, 'pool' | 'more' | 'readyAfterMs'> {
  readonly folder: string
  readonly kubeconfigPath: string
}

/** Resolves with what ends it. The same program as beside Greenroom; here nobody calls the agents. */
async function startKubelet(options: KubeletOptions): Promise<() => Promise<void>> {
  const { folder, kubeconfigPath, pool, more, readyAfterMs } = options
  const kubelet = startAgentsProcess(join(folder, 'kubelet.log'))
  // It is no part of a claim: in a cluster it runs on the nodes of the pods.
  setPace(kubelet.pid, 'elsewhere')
  try {
    await kubelet.call('start', { count: pool + more, assignKeys: '{"keys":[]}' })
    await kubelet.call('serve', { kubeconfigPath, readyAfterMs, namespace })
  } catch (error) {
    await kubelet.stop()
    throw error
  }
  return () => kubelet.stop()
}

async function startController(
  plane: ControlPlane,
  { folder, program, flags, say }: Pick<SandboxBedOptions, 'program' | 'flags' | 'say'> & { folder: string },
): Promise<SandboxController> {
  const kubeconfigPath = await plane.kubeconfigFor('agent-sandbox', ['system:masters'])
  return startSandboxController({
    program,
    flags,
    kubeconfigPath,
    logPath: join(folder, 'controller.log'),
    say,
  })
}

interface CallerOptions {
  readonly folder: string
  readonly kubeconfigPath: string
  readonly kinds: SandboxKinds
}

async function startCaller({ folder, kubeconfigPath, kinds }: CallerOptions) {
  const claims: BenchProcess<ClaimCalls> = startBenchProcess({
    program: fileURLToPath(new URL('./sandbox-claims-program.ts', import.meta.url)),
    logPath: join(folder, 'claims.log'),
  })
  try {
    await claims.call('connect', {
      kubeconfigPath,
      claim: claimObject(kinds, names),
      claimsPath: sandboxPath(kinds.claim, namespace),
      sandboxesPath: sandboxPath(kinds.sandbox, namespace),
      podsPath: podsPathOf(namespace),
    })
  } catch (error) {
    await claims.stop()
    throw error
  }
  return claims
}

const definitionsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** Resolves when the API server serves the kinds. */
async function define(kube: KubeApi, { definitions }: SandboxKinds): Promise<void> {
  for (const definition of definitions) await create(kube, definitionsPath, definition)
  for (const { metadata } of definitions) {
    const path = `${definitionsPath}/${metadata?.name}`
    await until(`the API server to serve ${metadata?.name}`, async () => {
      const { status } = (await kube.get<V1CustomResourceDefinition>(path)) ?? {}
      return status?.conditions?.some(({ type, status: its }) => type === 'Established' && its === 'True')
    })
  }
}

async function create(kube: KubeApi, path: string, body: object): Promise<void> {
  const answer = await kube.send({ method: 'POST', path, body })
  if (answer.status !== 201)
    throw new Error(`POST ${path}: HTTP ${answer.status}: ${JSON.stringify(answer.body).slice(0, 500)}`)
}

/** As many Ready sandboxes as the pool shall have, and no pod that is still ending. */
async function isFull(kube: KubeApi, kinds: SandboxKinds, pool: number): Promise<boolean> {
  const its = await kube.get<{ readonly status?: { readonly readyReplicas?: number } }>(
    sandboxPath(kinds.warmPool, namespace, names.pool),
  )
  if ((its?.status?.readyReplicas ?? 0) < pool) return false
  const pods = await kube.get<PodList>(podsPathOf(namespace))
  return pods?.items.every(({ metadata }) => metadata.deletionTimestamp === undefined) ?? false
}

interface PodList {
  readonly items: readonly { readonly metadata: { readonly deletionTimestamp?: string } }[]
}
