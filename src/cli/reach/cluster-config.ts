import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Config, loadConfig } from '../../config.ts'

interface ClusterValues {
  readonly kubeconfig?: string | undefined
  readonly namespace?: string | undefined
}

/** The configuration of a command that asks the cluster: where kubectl looks for a kubeconfig, and what the options say. */
export function clusterConfig({ kubeconfig, namespace }: ClusterValues): Config<'explain'> {
  const config = loadConfig('explain')
  const { KUBERNETES_SERVICE_HOST: host, GREENROOM_NAMESPACE } = config
  const file = kubeconfig ?? firstFile(config.KUBECONFIG) ?? (host === undefined ? homeFile() : undefined)
  return {
    ...config,
    GREENROOM_NAMESPACE: namespace ?? GREENROOM_NAMESPACE,
    ...(file !== undefined && { KUBECONFIG: file }),
  }
}

/** Whether there is a cluster to ask. */
export function knowsCluster(config: Config<'explain'>): boolean {
  return config.KUBECONFIG !== undefined || config.KUBERNETES_SERVICE_HOST !== undefined
}

/** Of several, the first that exists; the last is kept for the sentence that it cannot be read. */
function firstFile(paths: string | undefined): string | undefined {
  const named = paths?.split(delimiter).filter((path) => path !== '') ?? []
  return named.find((path) => existsSync(path)) ?? named.at(-1)
}

function homeFile(): string | undefined {
  const path = join(homedir(), '.kube', 'config')
  return existsSync(path) ? path : undefined
}
