import { join } from 'node:path'
import { CoreV1Api, type V1ConfigMap, type V1Secret } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { assignKeyManifests } from '../../src/cli/assign-key.ts'
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

/** The same, and the rights of the session server. */
export const installation = [...webhookInstallation, ...manifestPaths(['session-server/rbac.yaml'])]

function manifestPaths(names: readonly string[]): readonly string[] {
  return names.map((name) => join(root, 'manifests/base', name))
}

/** Makes the keys that sign deliveries; resolves with the private ones, as the session server reads them from a file. */
export async function provideAssignKeys(plane: ControlPlane): Promise<string> {
  const core = plane.admin().makeApiClient(CoreV1Api)
  const documents = parseAllDocuments(await assignKeyManifests({ namespace: agentsNamespace })).map(
    (document): V1Secret | V1ConfigMap => document.toJS(),
  )
  const secret: V1Secret | undefined = documents.find(({ kind }) => kind === 'Secret')
  const publicKeys: V1ConfigMap | undefined = documents.find(({ kind }) => kind === 'ConfigMap')
  const privateKeys = secret?.stringData?.['keys.json']
  if (!secret || !publicKeys || privateKeys === undefined) throw new Error('assign-key made no pair of keys')
  await core.createNamespacedSecret({ namespace: agentsNamespace, body: secret })
  await core.createNamespacedConfigMap({ namespace: agentsNamespace, body: publicKeys })
  return privateKeys
}
