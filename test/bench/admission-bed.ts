import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeApi, type KubeApi } from '../../bed/kubelet/kube-api.ts'
import { startProgram, untilReady } from '../../bed/processes/start-program.ts'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { provideAssignKeys, webhookInstallation, webhookManifests } from '../../bed/replicas/installation.ts'
import { isReady } from '../../bed/replicas/is-ready.ts'
import { servingFiles } from '../../bed/replicas/webhook-process.ts'
import { root } from '../../bed/repository.ts'
import { type ControlPlane, startControlPlane } from '../../bed/servers/control-plane.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { webhookUsername } from '../../src/domain/names.ts'
import { runProgram } from '../support/run-program.ts'

/** A process of the webhook with its production flags. */
export interface MeasuredWebhook {
  readonly pid: number
  readonly port: number
}

/** The webhook with the shipped policy, beside a real API server that calls it. */
export interface AdmissionBed {
  readonly folder: string
  readonly plane: ControlPlane
  readonly kube: KubeApi
  readonly webhook: MeasuredWebhook
  /** The webhook of another checkout, which the API server does not call. */
  readonly against: MeasuredWebhook | undefined
  readonly ca: string
  onStop(undo: () => Promise<void>): void
  stop(): Promise<void>
}

/** As the image runs it in its container of 256 MiB, of which Node takes 281 MB for the limit of its heap. */
const productionNodeArgs = ['--max-semi-space-size=4', '--max-old-space-size=256']

interface AdmissionBedOptions {
  /** Besides those of production. */
  readonly nodeArgs: readonly string[]
  /** Folder of another checkout. */
  readonly against: string | undefined
}

export async function startAdmissionBed({ nodeArgs, against }: AdmissionBedOptions): Promise<AdmissionBed> {
  const temporary = await temporaryFolder('bench')
  const folder = temporary.path
  const undo: (() => Promise<void>)[] = [() => temporary.remove()]
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const plane = await startControlPlane({ folder, webhookManifests, webhooksLater: true })
    undo.push(() => plane.stop())
    await plane.apply(webhookInstallation)
    const kube = await createKubeApi(await plane.kubeconfigFor('bench', ['system:masters']))
    undo.push(async () => kube.close())
    await provideAssignKeys(plane)
    await plane.installWebhooks()
    const { host, port, caPath } = plane.webhook
    const start = (name: string, checkout: string, at: number) =>
      startWebhook({ name, checkout, port: at, plane, folder, nodeArgs, undo })
    const webhook = await start('webhook', root, port)
    const other = against === undefined ? undefined : await start('against', against, await freePort(host))
    const ca = readFileSync(caPath, 'utf8')
    return { folder, plane, kube, webhook, against: other, ca, onStop: (step) => void undo.push(step), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface WebhookOptions {
  readonly name: string
  readonly checkout: string
  readonly port: number
  readonly plane: ControlPlane
  readonly folder: string
  readonly nodeArgs: readonly string[]
  /** Gets the step that stops it. */
  readonly undo: (() => Promise<void>)[]
}

async function startWebhook(options: WebhookOptions): Promise<MeasuredWebhook> {
  const { name, checkout, port, plane, folder, nodeArgs, undo } = options
  const { host } = plane.webhook
  const compileCache = await fillCompileCache(join(folder, `compile-cache-${name}`), checkout)
  const logPath = join(folder, `${name}.log`)
  const program = await startProgram({
    command: process.execPath,
    args: [...productionNodeArgs, ...nodeArgs, 'src/main.ts', 'webhook'],
    cwd: checkout,
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: compileCache,
      // For trying it out.
      MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX,
      HOSTNAME: name,
      GREENROOM_HOST: host,
      KUBECONFIG: await plane.kubeconfigFor(webhookUsername),
      GREENROOM_WEBHOOK_PORT: String(port),
      GREENROOM_WEBHOOK_OPS_PORT: String(await freePort(host)),
      ...servingFiles(plane),
      GREENROOM_DRAIN_MS: '0',
    },
    logPath,
  })
  undo.push(() => program.stop('SIGTERM', 12_000))
  const started = { name: `the webhook of ${checkout}`, logPath, timeoutMs: 30_000 }
  await untilReady(program, () => isReady(`https://${host}:${port}`), started)
  return { pid: program.pid, port }
}

/** As the image has it. */
async function fillCompileCache(cache: string, checkout: string): Promise<string> {
  const program = join(checkout, 'src/main.ts')
  const { code, stderr } = await runProgram(program, ['compile-cache'], {
    env: { NODE_COMPILE_CACHE: cache },
  })
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
