import { type Api, createApi } from '../../client/api-call.ts'
import { type Client, createClient } from '../../client/client.ts'
import { GreenroomApiError } from '../../client/client-error.ts'
import { greenroomVersion, versionHeader } from '../../domain/greenroom-version.ts'
import { GreenroomError } from '../../errors.ts'
import type { ServerValues } from '../line/shared-options.ts'
import type { ForwardedServer } from './forwarded-server.ts'
import { withoutPackage } from './without-package.ts'

/** The session server, as a command asks it: `await using server = await openServer(options)`. */
export interface ServerConnection extends AsyncDisposable {
  /** GET unless told otherwise; the answer is JSON. It is asked once. */
  ask<T>(path: string, asked?: Asked): Promise<T>
  readonly client: Client
}

interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

/** A report over a year takes seconds, and a busy server lets it wait for others. */
const answerMs = 30_000

export async function openServer(given: ServerValues): Promise<ServerConnection> {
  const { url, apiKey, forwarded } = await findServer(given)
  const options = { url, apiKey, fetch: tellingVersions() }
  const api = createApi(options)
  return {
    ask: (path, asked = {}) => askOnce(api, path, asked, forwarded),
    client: createClient(options),
    async [Symbol.asyncDispose]() {
      forwarded?.close()
    },
  }
}

async function askOnce<T>(
  api: Api,
  path: string,
  { method = 'GET', body, headers, timeoutMs = answerMs }: Asked,
  forwarded: ForwardedServer | undefined,
): Promise<T> {
  const signal = new AbortController().signal
  try {
    return await api.attempt<T>({ method, path, body, signal, timeoutMs, ...(headers && { headers }) })
  } catch (error) {
    // 204: there is nothing to read in the answer.
    if (error instanceof GreenroomApiError && error.status === 204) return undefined as T
    // The client sees a connection that was cut; the tunnel knows why.
    const isCut = error instanceof GreenroomApiError && error.code === 'GRN_CLIENT_UNREACHABLE'
    throw (isCut && forwarded?.trouble()) || error
  }
}

/**
 * Where the server is and the key for it. Options come before the environment, and both before the kubeconfig. The caller
 * closes what is `forwarded`.
 * @throws GreenroomError GRN_INVALID_CONFIG with what is missing
 */
export async function findServer(given: ServerValues) {
  // The schemas of the environment take a while to load, and help needs none of them.
  const { loadConfig } = await import('../../config.ts')
  const { clusterConfig, knowsCluster } = await import('./cluster-config.ts')
  const config = loadConfig('caller')
  const url = given.server ?? (given.context === undefined ? config.GREENROOM_API_URL : undefined)
  const [apiKey] = (given.key ?? config.GREENROOM_API_KEY)?.split(',').map((key) => key.trim()) ?? []
  if (url !== undefined && !/^https?:\/\//.test(url))
    throw new GreenroomError('GRN_INVALID_CONFIG', `--server ${url.slice(0, 100)} is not an http(s) address.`)
  const cluster = url === undefined ? clusterConfig(given) : undefined
  const missing = [
    ...(cluster && !knowsCluster(cluster) ? ['--server, GREENROOM_API_URL or a kubeconfig'] : []),
    ...(apiKey === undefined || apiKey === '' ? ['--key or GREENROOM_API_KEY'] : []),
  ]
  if (missing.length > 0 || apiKey === undefined)
    throw new GreenroomError('GRN_INVALID_CONFIG', `The server is asked with ${missing.join(' and ')}.`)
  if (url !== undefined) return { url, apiKey, forwarded: undefined }
  const { forwardServer } = await import('./forwarded-server.ts').catch(withoutPackage)
  const forwarded = await forwardServer(cluster ?? clusterConfig(given), given.context)
  return { url: forwarded.url, apiKey, forwarded }
}

/** The global fetch, and one line on stderr when the server is of another version. */
function tellingVersions(): typeof fetch {
  let isTold = false
  return async (input, init) => {
    const response = await fetch(input, init)
    const version = response.headers.get(versionHeader)
    if (isTold || version === greenroomVersion) return response
    const isGreenrooms = response.headers.get('content-type')?.startsWith('application/json') && response.ok
    if (version === null && !isGreenrooms) return response
    isTold = true
    const theirs =
      version === null ? 'tells no version, so it is older' : `has version ${version.slice(0, 40)}`
    process.stderr.write(
      `Warning: the server ${theirs}; this command line has ${greenroomVersion} and may not fit it.\n`,
    )
    return response
  }
}
