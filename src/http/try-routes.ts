import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Service } from '../serving/service.ts'

export interface TryPageOptions {
  /** Where the page may connect besides this server; undefined without LiveKit. */
  readonly liveKitUrl: string | undefined
}

interface PageFile {
  readonly mediaType: string
  readonly plain: Buffer
  readonly gzipped: Buffer
  readonly etag: string
}

/** Address of a file below `/try`, without a build: the sources as they are, types taken out. */
type PageFiles = ReadonlyMap<string, PageFile>

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
}

/** Browsers find no npm packages: the one that the page uses has an address here. */
const liveKitAddress = '/try/livekit-client.mjs'

/**
 * `/try`: a page on which a person opens a session and talks to its agent. It holds no secret; whoever uses it types an
 * API key. Its scripts are `src/try` and the caller's SDK.
 */
export async function addTryRoutes(app: Service, options: TryPageOptions): Promise<void> {
  const files = await readPageFiles()
  const headers = {
    'content-security-policy': contentSecurityPolicy(options.liveKitUrl),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'microphone=(self), camera=(), geolocation=()',
    // Checked again each time: a new version of Greenroom has other files at the same addresses.
    'cache-control': 'no-cache',
    vary: 'accept-encoding',
  }
  for (const [address, file] of files) {
    app.get(address, { schema: { hide: true } }, async (request, reply) =>
      send(file, request, reply.headers(headers)),
    )
  }
}

function send(file: PageFile, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  void reply.header('etag', file.etag).type(file.mediaType)
  if (headers['if-none-match'] === file.etag) return reply.code(304).send()
  if (!/\bgzip\b/.test(headers['accept-encoding'] ?? '')) return reply.send(file.plain)
  return reply.header('content-encoding', 'gzip').send(file.gzipped)
}

async function readPageFiles(): Promise<PageFiles> {
  const page = new URL('../try/', import.meta.url)
  const client = new URL('../client/', import.meta.url)
  const liveKit = createRequire(import.meta.url)
    .resolve('livekit-client')
    .replace(/[^/\\]+$/, 'livekit-client.esm.mjs')
  const files = new Map<string, PageFile>()
  for (const [folder, at] of [
    [page, '/try/page/'],
    [client, '/try/client/'],
  ] as const) {
    for (const name of await readdir(folder)) {
      if (mediaTypes[extname(name)])
        files.set(at + name, pageFile(name, await readFile(new URL(name, folder))))
    }
  }
  const html = files.get('/try/page/try.html')
  if (!html) throw new Error('src/try/try.html is missing')
  files.set('/try', html)
  files.set(liveKitAddress, pageFile(liveKit, await readFile(liveKit)))
  return files
}

function pageFile(name: string, source: Buffer): PageFile {
  const plain = extname(name) === '.ts' ? Buffer.from(scriptOf(source.toString())) : source
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { mediaType: mediaTypes[extname(name)] ?? '', plain, gzipped: gzipSync(plain), etag }
}

function scriptOf(source: string): string {
  return stripTypeScriptTypes(source).replaceAll("from 'livekit-client'", `from '${liveKitAddress}'`)
}

/** Nothing from elsewhere, nothing inline. LiveKit's signalling is a WebSocket, and a request when that fails. */
function contentSecurityPolicy(liveKitUrl: string | undefined): string {
  const connect = ["'self'", ...(liveKitUrl === undefined ? [] : originsOf(liveKitUrl))]
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${connect.join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function originsOf(liveKitUrl: string): string[] {
  const { protocol, host } = new URL(liveKitUrl)
  const s = /^(wss|https):$/.test(protocol) ? 's' : ''
  // LiveKit Cloud names the region's server when somebody joins.
  const hosts = host.endsWith('.livekit.cloud') ? [host, '*.livekit.cloud'] : [host]
  return hosts.flatMap((one) => [`ws${s}://${one}`, `http${s}://${one}`])
}
