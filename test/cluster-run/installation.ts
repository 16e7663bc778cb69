import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments, stringify } from 'yaml'
import { root } from '../../bed/repository.ts'
import { type PolicyConfigMap, policyWith } from '../examples/example-policy.ts'
import type { Cluster } from './cluster.ts'
import type { RunStores } from './run-stores.ts'

/** Greenroom as an operator installs it: manifests/ with an overlay, and Secrets. The webhook's certificate is its own. */

export const namespace = 'ai-agents'
export const systemNamespace = 'greenroom-system'
/** Three session servers and a pool for the load of the programs here. */
const runOverlay = 'test/cluster-run/overlay'
const execute = promisify(execFile)

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

interface SecretOptions {
  readonly cluster: Cluster
  readonly stores: RunStores
  readonly apiKey: string
}

interface InstallOptions extends SecretOptions {
  readonly image: string
  /** From the top of the checkout. */
  readonly overlay?: string
}

/** Applies everything at once, as `kubectl apply -k` would; what needs the other heals by itself. */
export async function install(options: InstallOptions): Promise<void> {
  const { cluster, image, overlay = runOverlay } = options
  const manifests = await rendered(cluster, image, overlay)
  await cluster.apply(documents(manifests.filter(({ kind }) => kind === 'Namespace')))
  await applySecrets(options)
  await cluster.apply(documents(manifests.filter(({ kind }) => kind !== 'Namespace')))
}

/** Secrets and keys, into a namespace that is there. */
export async function applySecrets(options: SecretOptions): Promise<void> {
  await options.cluster.apply(documents(secrets(options)))
  await options.cluster.apply(await assignKeys())
}

/**
 * Only what judges pods, with what these examples add to its policy. For systems beside Greenroom; needs no stores. uninstall()
 * takes it away again.
 */
export async function installAdmission(
  cluster: Cluster,
  image: string,
  examples: readonly string[],
): Promise<void> {
  const manifests = await rendered(cluster, image, 'test/cluster-run/admission-only')
  const isPolicy = ({ kind, metadata }: Manifest) => kind === 'ConfigMap' && metadata.name === 'agent-policy'
  const policy = manifests.find(isPolicy)
  if (!policy) throw new Error('the manifests hold no policy')
  await cluster.apply(documents(manifests.filter(({ kind }) => kind === 'Namespace')))
  await cluster.apply(await assignKeys())
  // Before the webhook, so that it is the first policy that the webhook sees.
  await cluster.apply(
    documents([await policyWith(policy as Manifest & PolicyConfigMap, examples, examples.join('-'))]),
  )
  const others = manifests.filter((manifest) => manifest.kind !== 'Namespace' && !isPolicy(manifest))
  await cluster.apply(documents(others))
  await cluster.run([
    'rollout',
    'status',
    '-n',
    systemNamespace,
    'deployment/agent-webhook',
    '--timeout=240s',
  ])
}

/** Takes away what install() made; a pod's grace period is the longest part of it. */
export async function uninstall({ run }: Cluster): Promise<void> {
  // Without the webhook first, whose pods are about to go, no pod of the other namespace could be touched.
  const configurations = ['mutatingwebhookconfiguration', 'validatingwebhookconfiguration']
  for (const kind of configurations) await run(['delete', kind, 'agent-webhook', '--ignore-not-found'])
  for (const kind of ['clusterrolebinding', 'clusterrole'])
    await run(['delete', kind, 'agent-webhook-certificates', '--ignore-not-found'])
  await run(['delete', 'priorityclass', 'greenroom', '--ignore-not-found'])
  await run(['delete', 'namespace', namespace, systemNamespace, '--ignore-not-found', '--timeout=120s'])
}

/** Throws if Greenroom, or anything of its name, is in the cluster: what install() overwrites, uninstall() deletes. */
export async function refuseToOverwrite({ run }: Cluster): Promise<void> {
  const found = await run([
    'get',
    'namespace',
    namespace,
    systemNamespace,
    '--ignore-not-found',
    '-o',
    'name',
  ])
  if (found.trim() !== '') throw new Error(`the cluster has ${found.trim().split('\n').join(', ')} already`)
}

/** The overlay with the image that was asked for, in Deployments, pools and policy alike. */
async function rendered({ run }: Cluster, image: string, overlay: string): Promise<Manifest[]> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const name = image.slice(0, image.lastIndexOf(':'))
  const text = (await run(['kustomize', join(root, overlay)]))
    .replaceAll(`greenroom:${version}`, image)
    .replaceAll('greenroom:*', `${name}:*`)
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest)
}

function secrets({ apiKey, stores }: SecretOptions): object[] {
  const secret = (name: string, namespace: string, type: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type,
    stringData,
  })
  return [
    secret('session-management-server', namespace, 'Opaque', {
      GREENROOM_API_KEYS: apiKey,
      GREENROOM_HMAC_SECRET: randomBytes(32).toString('hex'),
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
    }),
    secret('greenroom-migrate', namespace, 'Opaque', { DATABASE_URL: stores.databaseUrl }),
  ]
}

async function assignKeys(): Promise<string> {
  const { stdout } = await execute(process.execPath, ['src/main.ts', 'assign-key'], { cwd: root })
  return stdout
}

function documents(objects: readonly object[]): string {
  return objects.map((object) => stringify(object)).join('---\n')
}
