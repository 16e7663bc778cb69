import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { KubeConfig, RequestContext } from '@kubernetes/client-node'
import type { Dispatcher } from 'undici'
import { parseDocument } from 'yaml'
import { GreenroomError } from '../errors.ts'

/** Where the API server is, and who we are to it, as client-node's KubeConfig reads it. */
export interface KubeAccess {
  /** Address of the API server, possibly with a path: `https://10.0.0.1:443`. */
  readonly server: string
  /**
   * For the next request. KubeConfig reads the files again: certificates every time, a token file when it was last read
   * more than a minute ago (client-go's rhythm; the kubelet renews a token ten minutes before it ends). It also runs
   * credential plugins and renews their tokens. Throws when a file cannot be read or a plugin fails.
   */
  credentials(): Promise<KubeCredentials>
  /** A dispatcher through the proxy that the kubeconfig names, with the credentials of now. */
  readonly proxy?: () => Promise<Dispatcher | undefined>
}

interface KubeCredentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: KubeTls
}

export type KubeTls = Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>

/** The parts of a role's configuration that say where the API server is. */
interface KubeAccessSource {
  /** A kubeconfig file; without it the ServiceAccount of the pod we run in. */
  readonly KUBECONFIG?: string | undefined
  readonly KUBERNETES_SERVICE_HOST?: string | undefined
  readonly KUBERNETES_SERVICE_PORT?: string | undefined
}

/** Throws GRN_INVALID_CONFIG when there is no access, or when what it names cannot be read or used. */
export async function loadKubeAccess(
  source: KubeAccessSource,
  { root = '', context }: { readonly root?: string; readonly context?: string | undefined } = {},
): Promise<KubeAccess> {
  const path = source.KUBECONFIG
  if (path !== undefined) return accessFrom(await readKubeconfig(path, context), `the kubeconfig ${path}`)
  if (!source.KUBERNETES_SERVICE_HOST || !source.KUBERNETES_SERVICE_PORT) {
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      'no kubeconfig was given and this process does not run in a pod; set KUBECONFIG',
    )
  }
  const config = new KubeConfig()
  // Reads the two variables itself.
  config.loadFromCluster(root)
  return accessFrom(config, 'the ServiceAccount')
}

async function accessFrom(config: KubeConfig, name: string): Promise<KubeAccess> {
  const cluster = config.getCurrentCluster()
  const user = config.getCurrentUser()
  const proxied = cluster?.proxyUrl !== undefined && cluster.proxyUrl !== ''
  const access: KubeAccess = {
    server: cluster?.server ?? '',
    credentials: () => credentialsFrom(config),
    ...(proxied && { proxy: () => proxyFrom(config, access.server) }),
  }
  // Files are checked at start rather than with every request. Plugins and identity providers may be away for a moment.
  const needsFilesOnly = !user?.exec && (!user?.authProvider || user.authProvider.name === tokenFileProvider)
  if (needsFilesOnly) await checkCredentials(access, name)
  return access
}

async function checkCredentials(access: KubeAccess, name: string): Promise<void> {
  let subject = name
  try {
    const { tls } = await access.credentials()
    subject = `the certificates or the key of ${name}`
    // OpenSSL's sentences name no key material.
    createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key })
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${subject} cannot be used: ${sentence}`, { cause: error })
  }
}

async function credentialsFrom(config: KubeConfig): Promise<KubeCredentials> {
  const options: RequestOptions = {}
  await config.applyToHTTPSOptions(options)
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options
  const headers = headersFrom(options)
  if (auth) headers.authorization = `Basic ${Buffer.from(auth).toString('base64')}`
  // KubeConfig sends no header for an empty token: we would be somebody else, and be told that we may not.
  const hasTokenFile = config.getCurrentUser()?.authProvider?.name === tokenFileProvider
  if (hasTokenFile && /^(Bearer)?$/.test(headers.authorization ?? '')) throw new Error('its token is empty')
  const tls = { ca, cert, key, servername, rejectUnauthorized }
  return { headers, tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)) }
}

/** Names in lower case. KubeConfig leaves the line feed of a token file in the value, which no header may have. */
function headersFrom({ headers = {} }: RequestOptions): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value).trim()])
  return Object.fromEntries(entries)
}

async function proxyFrom(config: KubeConfig, server: string): Promise<Dispatcher | undefined> {
  const context = new RequestContext(server, 'GET')
  await config.applySecurityAuthentication(context)
  return context.getDispatcher()
}

/** Under this name KubeConfig reads a token from a file, again and again. */
const tokenFileProvider = 'tokenFile'

type Section = Readonly<Record<string, unknown>>

/** No message shows a value of the file, since any may be a key. */
async function readKubeconfig(path: string, wantedContext?: string): Promise<KubeConfig> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new GreenroomError('GRN_INVALID_CONFIG', `the kubeconfig ${path} ${problem}`, { cause })
  }
  const text = await readFile(path, 'utf8').catch((error: unknown) => fail('cannot be read', error))
  const document = parseYaml(text, fail)
  if (!isSection(document)) return fail('is not a mapping')
  const config = new KubeConfig()
  // An entry that KubeConfig cannot read is dropped: it matters only if the current context needs it.
  config.loadFromString(JSON.stringify(asKubectlReadsIt(document, dirname(path))), {
    onInvalidEntry: 'filter',
  })
  config.makePathsAbsolute(dirname(path))

  if (wantedContext !== undefined) config.setCurrentContext(wantedContext)
  const currentContext = config.getCurrentContext()
  if (!currentContext) fail('has no current context')
  const context =
    config.getContextObject(currentContext) ??
    fail(wantedContext === undefined ? 'lacks its current context' : `has no context ${wantedContext}`)
  const cluster =
    config.getCurrentCluster() ?? fail('lacks the cluster of its context, or the server of that')
  if (!URL.canParse(cluster.server) || !/^https?:$/.test(new URL(cluster.server).protocol))
    fail('has a server that is no http(s) address')
  // KubeConfig trusts nobody's certificate authority where the context names no user.
  if (context.user === undefined) config.loadFromClusterAndUser(cluster, { name: 'nobody' })
  const user = config.getCurrentUser() ?? fail('lacks the user of its context')
  if (user.token && typeof user.token !== 'string') fail('has a token that is no string')
  return config
}

function parseYaml(text: string, fail: (problem: string) => never): unknown {
  const document = parseDocument(text)
  const [syntax] = document.errors
  // Its message quotes the line.
  if (syntax) fail(`is not YAML: ${syntax.code} in line ${syntax.linePos?.[0].line ?? '?'}`)
  try {
    return document.toJS()
  } catch {
    // An alias without or with too many anchors; the message quotes the alias.
    return fail('is not YAML: an alias cannot be resolved')
  }
}

/**
 * client-node 2.0.1 differs from kubectl in two points: it does not know `tokenFile`, which counts before `token`, and it
 * prefers the file where both a file and its data are given.
 */
function asKubectlReadsIt(document: Section, folder: string): Section {
  return {
    ...document,
    clusters: changeEach(document.clusters, 'cluster', preferData),
    users: changeEach(document.users, 'user', (user) => {
      const { tokenFile, ...rest } = preferData(user)
      if (typeof tokenFile !== 'string' || tokenFile === '') return rest
      const provider = { name: tokenFileProvider, config: { tokenFile: resolve(folder, tokenFile) } }
      return { ...rest, token: undefined, 'auth-provider': provider }
    }),
  }
}

function preferData(section: Section): Section {
  return Object.fromEntries(Object.entries(section).filter(([field]) => !section[`${field}-data`]))
}

/** `users: [{ name, user: {…} }]`, likewise clusters. */
function changeEach(list: unknown, kind: 'cluster' | 'user', change: (section: Section) => Section): unknown {
  if (!Array.isArray(list)) return list
  return list.map((entry: unknown) =>
    isSection(entry) && isSection(entry[kind]) ? { ...entry, [kind]: change(entry[kind]) } : entry,
  )
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
