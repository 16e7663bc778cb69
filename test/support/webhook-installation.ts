import { join } from 'node:path'
import { root } from '../../bed/repository.ts'

/** What the webhook of the manifests needs in a cluster, besides its configurations and the assign keys. */
export const webhookInstallation = [
  'manifests/base/namespace.yaml',
  'manifests/base/webhook/service-account.yaml',
  'manifests/base/webhook/rbac.yaml',
  'manifests/base/agent-policy.yaml',
].map((path) => join(root, path))
