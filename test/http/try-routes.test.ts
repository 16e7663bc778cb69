import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { isProblem, startApi } from './api-bed.ts'

void t.test(
  'the page is there when it is switched on, without a key and under a strict policy',
  async (t) => {
    const off = await startApi(t)
    isProblem(t, await off.app.inject({ url: '/try' }), 'GRN_NOT_FOUND', 404)
    const { app } = await startApi(t, { tryPage: { liveKitUrl: 'wss://rooms.example.com/rtc' } })
    const page = await app.inject({ url: '/try' })
    t.equal(page.statusCode, 200)
    t.match(page.headers['content-type'], 'text/html')
    const policy = String(page.headers['content-security-policy'])
    t.match(
      policy,
      /^default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' /,
    )
    t.match(policy, "connect-src 'self' wss://rooms.example.com https://rooms.example.com;")
    t.notMatch(policy, /unsafe|\*/)
    t.notMatch(page.body, /style=|<style| on[a-z]+=|<script(?! type="module" src=)/, 'nothing inline')
    // Whatever the page names is served.
    const named = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? '')
    t.ok(named.length >= 4)
    for (const url of named) t.equal((await app.inject({ url })).statusCode, 200, url)
    const document = (
      await app.inject({
        url: '/openapi.json',
        headers: { authorization: 'Bearer the-first-key-of-the-test' },
      })
    ).body
    t.notMatch(document, /\/try/)
  },
)

void t.test('scripts come without types, compressed, and only when they have changed', async (t) => {
  const { app } = await startApi(t, { tryPage: { liveKitUrl: 'wss://project.livekit.cloud' } })
  const script = await app.inject({ url: '/try/page/room-call.ts' })
  t.match(script.headers['content-type'], 'text/javascript')
  t.match(script.body, "from '/try/livekit-client.mjs'")
  t.notMatch(script.body, /interface |: Promise</)
  for (const [, name] of script.body.matchAll(/from '(\.[^']+)'/g)) {
    const { pathname } = new URL(name ?? '', 'http://x/try/page/')
    t.equal((await app.inject({ url: pathname })).statusCode, 200, pathname)
  }
  const headers = { 'accept-encoding': 'br, gzip' }
  const small = await app.inject({ url: '/try/livekit-client.mjs', headers })
  t.equal(small.headers['content-encoding'], 'gzip')
  t.ok(small.rawPayload.length < 400_000)
  t.ok(gunzipSync(small.rawPayload).length > 1_000_000)
  const again = await app.inject({
    url: '/try/livekit-client.mjs',
    headers: { 'if-none-match': String(small.headers.etag) },
  })
  t.equal(again.statusCode, 304)
  t.match(
    small.headers['content-security-policy'],
    'wss://*.livekit.cloud https://*.livekit.cloud',
    'its regions',
  )
  for (const url of ['/try/page/tsconfig.json', '/try/client/..%2fconfig.ts', '/try/page/'])
    isProblem(t, await app.inject({ url }), 'GRN_NOT_FOUND', 404)
})
