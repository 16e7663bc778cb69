import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import type { Bed } from '../../bed/bed.ts'
import { serverUsername } from '../../bed/replicas/greenroom-processes.ts'
import { label } from '../../src/domain/names.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { askRedis } from './ask-redis.ts'

/**
 * Pods with every label of a pool that the controller did not make, first in the index as well: what somebody could do who
 * found a way around the webhook and into Redis.
 */
export function createStrangers(bed: Bed) {
  const uids = new Set<string>()
  const kubectl = (...args: string[]) =>
    bed.plane.kubectl([...args, '-n', bed.namespace, '--request-timeout=3s', '-o', 'json'])

  async function add(): Promise<string> {
    const listed = await kubectl('get', 'pods', '-l', `${label.state}=idle`)
    const [model] = listed.code === 0 ? (JSON.parse(listed.stdout) as { items: V1Pod[] }).items : []
    if (!model) return 'there is no idle pod, or no API server'
    const file = join(bed.folder, `stranger-${uids.size}.json`)
    await writeFile(file, JSON.stringify(copyOf(model)))
    const { code, stdout, stderr } = await kubectl('create', '-f', file, `--as=${serverUsername}`)
    if (code !== 0) return stderr.trim()
    const { uid = '' } = (JSON.parse(stdout) as V1Pod).metadata ?? {}
    uids.add(uid)
    const { ready } = poolKeys(model.metadata?.labels?.[label.pool] ?? '')
    return `${uid}, in the index: ${await askRedis(bed.redis.socketPath, `ZADD ${ready} 0 ${uid}`)}`
  }

  return { add, uids: uids as ReadonlySet<string> }
}

function copyOf({ metadata, spec }: V1Pod): object {
  const { nodeName: _node, ...rest } = spec ?? { containers: [] }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'stranger-', labels: metadata?.labels, annotations: metadata?.annotations },
    spec: rest,
  }
}
