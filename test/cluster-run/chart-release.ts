import { join } from 'node:path'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { root } from '../../bed/repository.ts'
import { createHelm } from '../../bed/servers/helm.ts'
import type { Cluster } from './cluster.ts'
import { namespace } from './installation.ts'
import { agentType } from './service-load.ts'

/** What the scenarios of the chart have in common: Helm, its values, and what a release has brought. */

/** What Helm printed; logs of hooks go to its standard error. Throws with its own words. */
export type RunHelm = (args: readonly string[]) => Promise<string>

export const patiently = ['--wait', '--timeout', '6m'] as const
export const withinMs = 240_000

export function helmOf(program: string, folder: string, kubeconfig: string): RunHelm {
  const helm = createHelm(folder, program, kubeconfig)
  return async (args) => {
    const { code, stdout, stderr } = await helm(args)
    if (code !== 0) throw new Error(`helm ${args[0]}: ${stderr.trim()}\n${stdout.trim().slice(-2_000)}`)
    return `${stdout}${stderr}`
  }
}

/** Also after a scenario that stopped half-way: the next one installs under the same name. */
export async function removeRelease(run: RunHelm): Promise<void> {
  await run(['uninstall', 'greenroom', '--ignore-not-found', ...patiently])
}

export function valuesFor(image: string): string[] {
  const at = image.lastIndexOf(':')
  const set = `image.repository=${image.slice(0, at)},image.tag=${image.slice(at + 1)}`
  return ['-f', join(root, 'test/cluster-run/chart-values.yaml'), '--set', set]
}

export async function stocked(url: string, apiKey: string): Promise<string> {
  const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 5_000 })
  try {
    const isStocked = async () => {
      const answer = await client.pool(agentType).catch(() => undefined)
      return answer?.status === 200 && answer.body.ready >= answer.body.desired.min && answer.body
    }
    const { ready } = await until('a stocked pool', isStocked, withinMs)
    return `${ready} pods are ready`
  } finally {
    client.close()
  }
}

const sessionServers = { namespace, labels: 'app=session-management-server' }

/** What the pods of a Deployment run, also those that are on their way out. */
export async function imagesOf({ run }: Cluster, { namespace, labels } = sessionServers): Promise<string> {
  const path = '-o=jsonpath={.items[*].spec.containers[*].image}'
  return [...new Set((await run(['get', 'pods', '-n', namespace, '-l', labels, path])).split(/\s+/))].join(
    ' and ',
  )
}
