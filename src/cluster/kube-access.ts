import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { GreenroomError } from '../errors.ts'
import { type Kubeconfig, parseKubeconfig, type Source } from './kubeconfig.ts'

/**
 * Where the API server is, and who we are to it. Read by ourselves because loading `@kubernetes/client-node` costs
 * each process some 30 MB of resident memory (ADR 8): only a kubeconfig that needs more than files and tokens (exec, auth-provider, a proxy,
 * impersonation, a password) brings it in.
 */
export interface KubeAccess {
  /** Address of the API server, possibly with a path: `https://10.0.0.1:443`. */
  readonly server: string
  /** TLS and headers of the next request; an `agent` among them is a proxy's. Throws when a file cannot be read. */
  requestOptions(): Promise<RequestOptions>
}

/** The parts of a role's configuration that say where the API server is. */
export interface KubeAccessSource {
  /** A kubeconfig file; without it the ServiceAccount of the pod we run in. */
  readonly KUBECONFIG?: string | undefined
  readonly KUBERNETES_SERVICE_HOST?: string | undefined
  readonly KUBERNETES_SERVICE_PORT?: string | undefined
}

interface KubeAccessOptions {
  readonly serviceAccountFolder?: string
  /** Monotonic ms. */
  readonly monotonicNow?: () => number
}

/** Where the kubelet mounts them. */
const defaultServiceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The kubelet replaces tokens when a fifth of their life (an hour) is left, and certificates are replaced in place too;
 * client-go reads tokens again after a minute. A pair of certificate and key caught in the middle heals in this time.
 */
const rereadMs = 10_000

/** Throws GRN_INVALID_CONFIG when there is no access, or what it names cannot be read or used. */
export async function loadKubeAccess(
  source: KubeAccessSource,
  options: KubeAccessOptions = {},
): Promise<KubeAccess> {
  const path = source.KUBECONFIG
  if (path === undefined) return accessFrom(inClusterConfig(source, options), 'the ServiceAccount', options)
  const name = `the kubeconfig ${path}`
  const parsed = parseKubeconfig(await textOf(path, name), path)
  return parsed.kind === 'foreign' ? libraryAccess(path) : accessFrom(parsed, name, options)
}

function inClusterConfig(source: KubeAccessSource, options: KubeAccessOptions): Kubeconfig {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = source
  if (host === undefined || port === undefined) {
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      'no kubeconfig was given and this process does not run in a pod; set KUBECONFIG',
    )
  }
  const folder = options.serviceAccountFolder ?? defaultServiceAccountFolder
  return {
    kind: 'plain',
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    ca: { path: join(folder, 'ca.crt') },
    token: { path: join(folder, 'token') },
    skipTlsVerify: false,
  }
}

async function accessFrom(
  config: Kubeconfig,
  name: string,
  { monotonicNow = () => performance.now() }: KubeAccessOptions,
): Promise<KubeAccess> {
  let readAt = monotonicNow()
  let known: Promise<RequestOptions> = readOptions(config)
  const { ca, cert, key } = await known.catch((error: unknown) => {
    const sentence = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${name} cannot be used: ${sentence}`, { cause: error })
  })
  checkTls({ ca, cert, key }, name)
  return {
    server: config.server,
    async requestOptions() {
      if (monotonicNow() - readAt >= rereadMs) {
        readAt = monotonicNow()
        known = readOptions(config)
      }
      try {
        return await known
      } catch (error) {
        // The next request tries again.
        readAt = Number.NEGATIVE_INFINITY
        throw error
      }
    },
  }
}

async function readOptions(config: Kubeconfig): Promise<RequestOptions> {
  const { server, serverName, skipTlsVerify } = config
  const [ca, cert, key, token] = await Promise.all(
    [config.ca, config.cert, config.key, config.token].map(contentOf),
  )
  if (config.token !== undefined && !token?.trim()) throw new Error('its token is empty')
  return {
    ...(new URL(server).protocol === 'https:' && {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(serverName !== undefined && { servername: serverName }),
      ...(skipTlsVerify && { rejectUnauthorized: false }),
    }),
    ...(token !== undefined && { headers: { authorization: `Bearer ${token.trim()}` } }),
  }
}

async function contentOf(source: Source | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined
  return 'path' in source ? readFile(source.path, 'utf8') : source.content
}

async function textOf(path: string, name: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new GreenroomError('GRN_INVALID_CONFIG', `${name} cannot be read`, { cause: error })
  }
}

/** At start, rather than with every request. OpenSSL's sentences name no key material. */
function checkTls(options: Pick<RequestOptions, 'ca' | 'cert' | 'key'>, name: string): void {
  try {
    createSecureContext(options)
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error)
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      `the certificates or the key of ${name} cannot be used: ${sentence}`,
      { cause: error },
    )
  }
}

async function libraryAccess(path: string): Promise<KubeAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const kubeConfig = new KubeConfig()
  try {
    kubeConfig.loadFromFile(path)
  } catch (error) {
    // Its sentences about YAML quote the file, which holds keys: `reason` is the part without.
    const { reason, message } = error as Error & { readonly reason?: string }
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      `the kubeconfig ${path} cannot be used: ${reason ?? message}`,
    )
  }
  const cluster = kubeConfig.getCurrentCluster()
  if (!cluster?.server)
    throw new GreenroomError('GRN_INVALID_CONFIG', `the kubeconfig ${path} has no current context`)
  return {
    server: cluster.server,
    async requestOptions() {
      const options: RequestOptions = {}
      await kubeConfig.applyToHTTPSOptions(options)
      // Its own agent pins the certificates it was made with; only a proxy's is needed.
      if (!cluster.proxyUrl) delete options.agent
      return options
    },
  }
}
