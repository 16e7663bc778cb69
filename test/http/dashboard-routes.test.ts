import t from 'tap'
import { isProblem, startApi } from './api-bed.ts'

void t.test(
  'the page is there unless it is switched off, without a key and under a strict policy',
  async (t) => {
    const off = await startApi(t)
    isProblem(t, await off.app.inject({ url: '/dashboard' }), 'GRN_NOT_FOUND', 404)
    const { app } = await startApi(t, { dashboard: true })
    const page = await app.inject({ url: '/dashboard' })
    t.equal(page.statusCode, 200)
    t.match(page.headers, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
    t.notMatch(page.body, /style=|<style| on[a-z]+=|<script(?! type="module" src=)/, 'nothing inline')
    t.notMatch(page.body, /https?:|src="\/\/|href="\/\//, 'nothing from elsewhere')
    for (const url of [
      '/dashboard/page/tsconfig.json',
      '/dashboard/client/..%2fconfig.ts',
      '/dashboard/page/',
    ])
      isProblem(t, await app.inject({ url }), 'GRN_NOT_FOUND', 404)
  },
)

void t.test(
  'every script is served, named in advance, and imports nothing that a browser cannot load',
  async (t) => {
    const { app } = await startApi(t, { dashboard: true })
    const page = await app.inject({ url: '/dashboard' })
    const named = [...page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, address = '']) => address)
    t.ok(named.length > 20)
    let bytes = 0
    for (const url of new Set(named)) {
      const file = await app.inject({ url, headers: { 'accept-encoding': 'gzip' } })
      t.equal(file.statusCode, 200, url)
      bytes += file.rawPayload.length
      const { body } = await app.inject({ url })
      for (const [, name = ''] of body.matchAll(/(?:from|import) '([^']+)'/g))
        t.ok(named.includes(new URL(name, `http://page${url}`).pathname), `${url} imports ${name}`)
      t.notMatch(body, /innerHTML|insertAdjacentHTML|outerHTML|document\.write|eval\(/, url)
    }
    t.ok(bytes < 60_000, `${bytes} bytes in all, compressed`)
  },
)
