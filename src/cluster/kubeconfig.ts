import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { GreenroomError } from '../errors.ts'

/** What the current context of a kubeconfig says, as far as it needs nothing but files and tokens. */
export interface Kubeconfig {
  readonly kind: 'plain'
  readonly server: string
  /** PEM, each. */
  readonly ca?: Source | undefined
  readonly cert?: Source | undefined
  readonly key?: Source | undefined
  readonly token?: Source | undefined
  /** Name the server's certificate must have, if not the address's. */
  readonly serverName?: string | undefined
  readonly skipTlsVerify: boolean
}

/** Text that is there, or a file (absolute path) that may change. */
export type Source = { readonly content: string } | { readonly path: string }

type Section = Readonly<Record<string, unknown>>

const clusterFields = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
  // For kubectl only.
  'disable-compression',
  'extensions',
])

const userFields = new Set([
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
  'token',
  'tokenFile',
  'extensions',
])

/**
 * The current context of the kubeconfig at `path`, or `foreign` if it uses what we do not know. Relative paths are
 * relative to the file. Throws GRN_INVALID_CONFIG; no message shows a value, since any may be a key.
 */
export function parseKubeconfig(text: string, path: string): Kubeconfig | { readonly kind: 'foreign' } {
  const fail = (problem: string): never => {
    throw new GreenroomError('GRN_INVALID_CONFIG', `the kubeconfig ${path} ${problem}`)
  }
  const config = asSection(parseYaml(text, fail)) ?? fail('is not a mapping')
  const currentContext = config['current-context']
  if (!isGiven(currentContext)) return fail('has no current context')
  const context = entryOf(config, 'context', currentContext) ?? fail('lacks its current context')
  const cluster = entryOf(config, 'cluster', context.cluster) ?? fail('lacks the cluster of its context')
  const user = isGiven(context.user) ? entryOf(config, 'user', context.user) : {}
  if (user === undefined) return fail('lacks the user of its context')
  if (hasOthers(cluster, clusterFields) || hasOthers(user, userFields)) return { kind: 'foreign' }

  const stringOf = (section: Section, field: string): string | undefined => {
    const value = section[field]
    if (!isGiven(value)) return undefined
    return typeof value === 'string' ? value : fail(`has a ${field} that is no string`)
  }
  const pem = (section: Section, field: string): Source | undefined => {
    // Kubernetes' order: the data overrides the file.
    const data = stringOf(section, `${field}-data`)
    if (data !== undefined) return { content: Buffer.from(data, 'base64').toString('utf8') }
    return fileOf(section, field)
  }
  const fileOf = (section: Section, field: string): Source | undefined => {
    const file = stringOf(section, field)
    return file === undefined ? undefined : { path: resolve(dirname(path), file) }
  }
  const token = stringOf(user, 'token')
  const server = stringOf(cluster, 'server') ?? fail('has a cluster without server')
  const skipTlsVerify = cluster['insecure-skip-tls-verify'] === true
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
    fail('has a server that is no http(s) address')
  if (server.startsWith('http:') && !skipTlsVerify)
    fail('has a server without TLS; that needs insecure-skip-tls-verify')
  return {
    kind: 'plain',
    server,
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    // Kubernetes' order again: the file, which is renewed, counts before the token.
    token: fileOf(user, 'tokenFile') ?? (token === undefined ? undefined : { content: token }),
    serverName: stringOf(cluster, 'tls-server-name'),
    skipTlsVerify,
  }
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

/** `clusters: [{ name, cluster: {…} }]`, likewise contexts and users; undefined if none has this name. */
function entryOf(config: Section, kind: 'context' | 'cluster' | 'user', name: unknown): Section | undefined {
  const list = config[`${kind}s`]
  if (!Array.isArray(list)) return undefined
  const entry = list.map(asSection).find((each) => each?.name === name)
  // A user without anything is written as `user: {}`, or `user:` alone.
  return entry && (isGiven(entry[kind]) ? asSection(entry[kind]) : {})
}

function asSection(value: unknown): Section | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Section) : undefined
}

/** Tools write fields they do not use as null or empty. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function hasOthers(section: Section, known: ReadonlySet<string>): boolean {
  return Object.entries(section).some(([field, value]) => isGiven(value) && !known.has(field))
}
