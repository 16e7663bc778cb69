import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeApi, type KubeApi } from '../../bed/kubelet/kube-api.ts'
import { type Program, startProgram, untilReady } from '../../bed/processes/start-program.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { provideAssignKeys, webhookInstallation, webhookManifests } from '../../bed/replicas/installation.ts'
import { isReady } from '../../bed/replicas/is-ready.ts'
import { servingFiles } from '../../bed/replicas/webhook-process.ts'
import { root } from '../../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import { webhookUsername } from '../../src/domain/names.ts'
import { runMain } from '../support/run-main.ts'

/** The webhook as a process with its production flags and the shipped policy, beside a real API server that calls it. */
export interface AdmissionBed {
  readonly folder: string
  readonly plane: ControlPlane
  readonly kube: KubeApi
  readonly webhook: Program
  readonly ca: string
  onStop(undo: () => Promise<void>): void
  stop(): Promise<void>
}

/** As the image runs it in its container of 256 MiB, of which Node takes 281 MB for the limit of its heap. */
const productionNodeArgs = ['--max-semi-space-size=4', '--max-old-space-size=256']

export async function startAdmissionBed(nodeArgs: readonly string[] = []): Promise<AdmissionBed> {
  const temporary = await temporaryFolder('bench')
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const plane = await startControlPlane({ folder: temporary.path, webhookManifests, webhooksLater: true })
    undo.push(() => plane.stop())
    await plane.apply(webhookInstallation)
    const kube = await createKubeApi(await plane.kubeconfigFor('bench', ['system:masters']))
    undo.push(async () => kube.close())
    await provideAssignKeys(plane)
    await plane.installWebhooks()
    const compileCache = await fillCompileCache(temporary.path)
    const logPath = join(temporary.path, 'webhook.log')
    const webhook = await startProgram({
      command: process.execPath,
      args: [...productionNodeArgs, ...nodeArgs, 'src/main.ts', 'webhook'],
      cwd: root,
      env: {
        PATH: process.env.PATH,
        NODE_COMPILE_CACHE: compileCache,
        // For trying it out.
        MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX,
        HOSTNAME: 'webhook',
        GREENROOM_HOST: plane.webhook.host,
        KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
        GREENROOM_WEBHOOK_PORT: String(plane.webhook.port),
        ...servingFiles(plane),
        GREENROOM_DRAIN_MS: '0',
      },
      logPath,
    })
    undo.push(() => webhook.stop('SIGTERM', 12_000))
    const { host, port, caPath } = plane.webhook
    const started = { name: 'the webhook', logPath, timeoutMs: 30_000 }
    await untilReady(webhook, () => isReady(`https://${host}:${port}`), started)
    const ca = readFileSync(caPath, 'utf8')
    return { folder: temporary.path, plane, kube, webhook, ca, onStop: (step) => void undo.push(step), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** As the image has it. */
async function fillCompileCache(folder: string): Promise<string> {
  const cache = join(folder, 'compile-cache')
  const { code, stderr } = await runMain(['compile-cache'], { NODE_COMPILE_CACHE: cache })
  if (code !== 0) throw new Error(`the compile cache: ${stderr}`)
  return cache
}

/** Resident memory of a process, MB; 0 where there is no /proc. */
export function rssMbOf(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Math.round(Number(kilobytes ?? 0) / 102.4) / 10
  } catch {
    return 0
  }
}
