import type { V1Container, V1EnvVar, V1Pod } from '@kubernetes/client-node'

/** The kubelet cannot make a container: the reason in its waiting state, and a message for people. */
export class ContainerRefusal extends Error {
  readonly reason: string

  constructor(reason: string, message: string) {
    super(message)
    this.name = 'ContainerRefusal'
    this.reason = reason
  }
}

/** What the environment of a container can refer to. */
export interface EnvSources {
  readonly podIp: string
  readonly hostIp: string
  readonly nodeName: string
  /** Data of a ConfigMap of the pod's namespace; undefined if there is none. */
  configMap(name: string): Promise<Readonly<Record<string, string>> | undefined>
  /** Decoded data of a Secret of the pod's namespace; undefined if there is none. */
  secret(name: string): Promise<Readonly<Record<string, string>> | undefined>
}

/** `envFrom`, then `env` in order, each with `$(VAR)` of what stands before it. Throws ContainerRefusal. */
export async function resolveEnv(
  pod: V1Pod,
  container: V1Container,
  sources: EnvSources,
): Promise<Record<string, string>> {
  const env: Record<string, string> = {}
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef
      ? await required('configmap', configMapRef, (name) => sources.configMap(name))
      : await required('secret', secretRef ?? {}, (name) => sources.secret(name))
    for (const [key, value] of Object.entries(data ?? {})) env[prefix + key] = value
  }
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, pod, sources)
    if (value !== undefined) env[variable.name] = variable.valueFrom ? value : expand(value, env)
  }
  return env
}

/** `$(NAME)` becomes the value; an unknown name stays as it is; `$$` stands for `$`. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (whole: string, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? whole),
  )
}

async function valueOf(variable: V1EnvVar, pod: V1Pod, sources: EnvSources): Promise<string | undefined> {
  const from = variable.valueFrom
  if (!from) return variable.value ?? ''
  if (from.fieldRef) return fieldOf(from.fieldRef.fieldPath, pod, sources)
  if (from.configMapKeyRef) {
    return keyOf('configmap', from.configMapKeyRef, (name) => sources.configMap(name))
  }
  if (from.secretKeyRef) return keyOf('secret', from.secretKeyRef, (name) => sources.secret(name))
  throw new ContainerRefusal(
    'CreateContainerConfigError',
    `${variable.name}: the process kubelet knows fieldRef, configMapKeyRef and secretKeyRef only`,
  )
}

interface Reference {
  readonly name?: string
  readonly optional?: boolean
}
type Read = (name: string) => Promise<Readonly<Record<string, string>> | undefined>

async function required(kind: string, reference: Reference, read: Read): Promise<Awaited<ReturnType<Read>>> {
  const name = reference.name ?? ''
  const data = await read(name)
  if (data || reference.optional) return data
  throw new ContainerRefusal('CreateContainerConfigError', `${kind} "${name}" not found`)
}

async function keyOf(
  kind: string,
  reference: Reference & { readonly key: string },
  read: Read,
): Promise<string | undefined> {
  const value = (await required(kind, reference, read))?.[reference.key]
  if (value !== undefined || reference.optional) return value
  throw new ContainerRefusal(
    'CreateContainerConfigError',
    `couldn't find key ${reference.key} in ${kind} ${reference.name}`,
  )
}

/** Fields of the pod that are one plain value. */
function plainFields(pod: V1Pod, sources: EnvSources): Record<string, string | undefined> {
  return {
    'metadata.name': pod.metadata?.name,
    'metadata.namespace': pod.metadata?.namespace,
    'metadata.uid': pod.metadata?.uid,
    'spec.nodeName': sources.nodeName,
    'spec.serviceAccountName': pod.spec?.serviceAccountName,
    'status.podIP': sources.podIp,
    'status.podIPs': sources.podIp,
    'status.hostIP': sources.hostIp,
    'status.hostIPs': sources.hostIp,
  }
}

function fieldOf(path: string, pod: V1Pod, sources: EnvSources): string {
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? []
  if (key !== undefined)
    return (map === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations)?.[key] ?? ''
  const fields = plainFields(pod, sources)
  if (path in fields) return fields[path] ?? ''
  throw new ContainerRefusal('CreateContainerConfigError', `fieldRef ${path} is not supported`)
}
