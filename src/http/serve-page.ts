import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Service } from '../serving/service.ts'

/** A page without a build: its sources are served as they are, with the types taken out. */
export interface Page {
  /** Where the page itself is, and its files below it: `/try`. */
  readonly address: string
  /** Its HTML, a file of the folder `page`. */
  readonly html: string
  /** Folders of `src` by their name in addresses: `page` is at `/try/page/`. */
  readonly folders: Readonly<Record<string, string>>
  /** Browsers find no npm packages: the file of each that the page imports, by the package's name. */
  readonly packages?: Readonly<Record<string, string>>
  /** Where the page may connect besides this server. */
  readonly connect?: readonly string[]
  /** What it may use of the device, as the header says it. */
  readonly permissions: string
}

interface PageFile {
  readonly mediaType: string
  readonly plain: Buffer
  readonly gzipped: Buffer
  readonly etag: string
}

const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
}

/** The page holds no secret and needs no credential: whoever uses it types one, for the routes under /v1. */
export async function servePage(app: Service, page: Page): Promise<void> {
  const headers = {
    'content-security-policy': contentSecurityPolicy(page.connect ?? []),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': page.permissions,
    // Checked again each time: a new version of Greenroom has other files at the same addresses.
    'cache-control': 'no-cache',
    vary: 'accept-encoding',
  }
  for (const [address, file] of await readFiles(page)) {
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

async function readFiles({ address, html, folders, packages = {} }: Page) {
  const files = new Map<string, PageFile>()
  const packageAddress = (name: string) => `${address}/${name}.mjs`
  const addresses = Object.keys(packages).map((name) => [name, packageAddress(name)] as const)
  for (const [name, folder] of Object.entries(folders)) {
    const source = new URL(`../${folder}/`, import.meta.url)
    for (const file of await readdir(source)) {
      if (mediaTypes[extname(file)])
        files.set(
          `${address}/${name}/${file}`,
          pageFile(file, await readFile(new URL(file, source)), addresses),
        )
    }
  }
  for (const [name, path] of Object.entries(packages))
    files.set(packageAddress(name), pageFile(path, await readFile(path)))
  const document = files.get(`${address}/page/${html}`)
  if (!document) throw new Error(`${html} is missing`)
  files.set(address, pageFile(html, withPreloads(document.plain.toString(), files)))
  return files
}

/** Names every script that the page will import, so that a browser fetches all at once and not one import after the other. */
function withPreloads(html: string, files: ReadonlyMap<string, PageFile>): Buffer {
  const modules = new Set(
    [...html.matchAll(/<script type="module" src="([^"]+)"/g)].map(([, src = '']) => src),
  )
  for (const address of modules) {
    if (!address.endsWith('.ts')) continue
    for (const [, name = ''] of files
      .get(address)
      ?.plain.toString()
      .matchAll(/ from '([^']+)'/g) ?? [])
      modules.add(new URL(name, `http://page${address}`).pathname)
  }
  const links = [...modules].map((address) => `<link rel="modulepreload" href="${address}">`)
  return Buffer.from(html.replace('<!-- modules -->', links.join('\n    ')))
}

function pageFile(
  name: string,
  source: Buffer,
  packages: readonly (readonly [string, string])[] = [],
): PageFile {
  const plain = extname(name) === '.ts' ? Buffer.from(scriptOf(source.toString(), packages)) : source
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
  return { mediaType: mediaTypes[extname(name)] ?? '', plain, gzipped: gzipSync(plain), etag }
}

function scriptOf(source: string, packages: readonly (readonly [string, string])[]): string {
  return packages.reduce(
    (text, [name, address]) => text.replaceAll(`from '${name}'`, `from '${address}'`),
    stripTypeScriptTypes(source),
  )
}

/** Nothing from elsewhere, nothing inline. */
function contentSecurityPolicy(connect: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
