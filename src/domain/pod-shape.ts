import type { V1Container, V1EphemeralContainer, V1Pod, V1Volume } from '@kubernetes/client-node'
import { canonicalJson } from './canonical-json.ts'
import { agentContainerName } from './names.ts'
import type { PoolSpec } from './pool.ts'

/**
 * What decides which programs run in a pod and what they are given, as text: the same for the answer to a create and for
 * the pod that a watch shows later. It holds only fields that every version of the API has. The typed client drops
 * fields that it does not know, and then every pod would seem to have changed.
 *
 * Kubernetes lets others change the images of a running pod and add ephemeral containers to it. An ephemeral container
 * shares the agent's network, so it counts as well.
 */
export function podShape({ spec }: V1Pod): string {
  return canonicalJson({
    containers: (spec?.containers ?? []).map(programOf),
    initContainers: (spec?.initContainers ?? []).map(programOf),
    ephemeralContainers: (spec?.ephemeralContainers ?? []).map(programOf),
    volumes: (spec?.volumes ?? []).map(volumeOf).sort(byName),
  })
}

function programOf({ name, image, command, args, env }: V1Container | V1EphemeralContainer) {
  return {
    name,
    image: image ?? '',
    command: command ?? [],
    args: args ?? [],
    env: (env ?? []).map((variable) => variable.name).sort(),
  }
}

/** The name, and what of a Secret, ConfigMap, claim or host is mounted. */
function volumeOf({ name, secret, configMap, persistentVolumeClaim, hostPath }: V1Volume) {
  const source =
    secret?.secretName ?? configMap?.name ?? persistentVolumeClaim?.claimName ?? hostPath?.path ?? ''
  return { name, source }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/**
 * Whether a pod may have been made from this template: one container, with the template's image, command and arguments
 * and at least its variables. Asked once, when pods of an older version are taken over.
 */
export function isShapedBy({ spec }: V1Pod, { template }: PoolSpec): boolean {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = spec ?? {}
  const [agent, ...others] = containers
  if (!agent || others.length + initContainers.length + ephemeralContainers.length > 0) return false
  const names = new Set((agent.env ?? []).map(({ name }) => name))
  return (
    agent.name === agentContainerName &&
    agent.image === template.image &&
    canonicalJson([agent.command ?? [], agent.args ?? []]) ===
      canonicalJson([template.command ?? [], template.args ?? []]) &&
    (template.env ?? []).every(({ name }) => names.has(name))
  )
}
