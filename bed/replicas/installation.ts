import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CoreV1Api, type V1ConfigMap, type V1Secret } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { assignKeyManifests } from '../../src/cli/assign-key.ts'
import { configMapKey, configMapName } from '../../src/domain/names.ts'
import { root } from '../repository.ts'
import type { ControlPlane } from '../servers/control-plane.ts'

/** What an installation of Greenroom puts into a cluster, besides its Deployments: the bed's processes stand for those. */

/** The namespace of the agents, as the manifests have it. */
export const agentsNamespace = 'ai-agents'

/** The configurations that make the API server call the webhook. */
export const webhookManifests: readonly string[] = [join(root, 'manifests/base/webhook')]

/** What the webhook of the manifests needs, besides its configurations and the assign keys. */
export const webhookInstallation = manifestPaths([
  'namespace.yaml',
  'webhook/service-account.yaml',
  'webhook/rbac.yaml',
  'agent-policy.yaml',
])

/** What the session server of the manifests needs. */
export const serverInstallation = manifestPaths([
  'namespace.yaml',
  'priority-class.yaml',
  'session-server/rbac.yaml',
])

/** What both need. */
export const installation = [...serverInstallation, ...webhookInstallation]

function manifestPaths(names: readonly string[]): readonly string[] {
  return names.map((name) => join(root, 'manifests/base', name))
}

/** JWK Sets, as text. */
export interface AssignKeys {
  /** As the session server reads it from a file. */
  readonly privateKeys: string
  /** As the webhook reads it from its ConfigMap. */
  readonly publicKeys: string
}

/** Makes the keys that sign deliveries, in the Secret and the ConfigMap that the manifests name. */
export async function provideAssignKeys(plane: ControlPlane): Promise<AssignKeys> {
  const core = plane.admin().makeApiClient(CoreV1Api)
  const documents = parseAllDocuments(await assignKeyManifests({ namespace: agentsNamespace })).map(
    (document): V1Secret | V1ConfigMap => document.toJS(),
  )
  const secret: V1Secret | undefined = documents.find(({ kind }) => kind === 'Secret')
  const configMap: V1ConfigMap | undefined = documents.find(({ kind }) => kind === 'ConfigMap')
  const privateKeys = secret?.stringData?.[configMapKey.assignKeys]
  const publicKeys = configMap?.data?.[configMapKey.assignKeys]
  if (!secret || !configMap || privateKeys === undefined || publicKeys === undefined)
    throw new Error('assign-key made no pair of keys')
  await core.createNamespacedSecret({ namespace: agentsNamespace, body: secret })
  await core.createNamespacedConfigMap({ namespace: agentsNamespace, body: configMap })
  return { privateKeys, publicKeys }
}

/** What the session server is told besides addresses. */
export interface ServerSecrets extends AssignKeys {
  /** File with the private keys. */
  readonly keyPath: string
  readonly apiKey: string
  readonly hmacSecret: string
}

/** Makes what an installation makes once: keys in `folder` and in the cluster, and the pools. */
export async function provideServerSecrets(
  plane: ControlPlane,
  folder: string,
  pools: string,
): Promise<ServerSecrets> {
  const keys = await provideAssignKeys(plane)
  const keyPath = join(folder, 'assign-keys.json')
  await writeFile(keyPath, keys.privateKeys, { mode: 0o600 })
  await plane
    .admin()
    .makeApiClient(CoreV1Api)
    .createNamespacedConfigMap({
      namespace: agentsNamespace,
      body: { metadata: { name: configMapName.pools }, data: { [configMapKey.pools]: pools } },
    })
  return {
    ...keys,
    keyPath,
    apiKey: `gr_${randomBytes(18).toString('base64url')}`,
    hmacSecret: randomBytes(32).toString('hex'),
  }
}
