import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { attachSession } from '../../src/client/client.ts'
import { browserTokens, knownId, newSession, startApi } from '../http/api-bed.ts'
import { openPage, startBrowser } from '../support/browser.ts'

const entry = fileURLToPath(new URL('../../src/client/client.ts', import.meta.url))
const { outputFiles } = buildSync({
  entryPoints: [entry],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  write: false,
})
const sdk = outputFiles[0]?.text ?? ''

/** A page with the SDK, on an origin of its own. */
const pages = createServer((request, response) => {
  const isScript = request.url === '/sdk.js'
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
  response.end(isScript ? sdk : '<!doctype html><link rel="icon" href="data:,"><title>page</title>')
}).listen(0, '127.0.0.1')
await once(pages, 'listening')
t.teardown(() => pages.close())
const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`

async function startServer(origins: readonly string[], leaseMs = 60_000) {
  const api = await startApi(t, { origins })
  api.rows.set(knownId, newSession({ leaseMs }))
  return { ...api, url: await api.app.listen({ port: 0, host: '127.0.0.1' }) }
}

void t.test('a program holds a session with its token, and asks for the latest one each time', async (t) => {
  const { url, calls } = await startServer([], 300)
  const tokens: string[] = []
  const token = () => {
    tokens.push(browserTokens.mint(knownId).token)
    return tokens.at(-1) ?? ''
  }
  const session = await attachSession({ url, sessionId: knownId, token })
  t.match(session.view, { id: knownId, status: 'ACTIVE' })
  await until('it is renewed', () => calls.some(([name]) => name === 'renew'))
  t.match(await session.livekit(), { url: 'ws://livekit' })
  await session.end()
  t.match(calls.at(-1), ['close', knownId, 'caller', 3])
  t.ok(tokens.length >= 3)
})

void t.test('a token of another session attaches to none', async () => {
  const { url } = await startServer([])
  const { token } = browserTokens.mint('0198c0de-0000-7000-8000-000000000002')
  await t.rejects(attachSession({ url, sessionId: knownId, token }), { code: 'GRN_UNAUTHENTICATED' })
})

void t.test(
  'in Chromium a page of an allowed origin holds and ends its session, another one cannot',
  async (t) => {
    const allowing = await startServer([origin], 300)
    const refusing = await startServer(['https://app.example'])
    const browser = await startBrowser(t)
    const { page } = await openPage(browser)
    await page.goto(origin)
    const { token } = browserTokens.mint(knownId)
    // As text: a function of this file would be type-checked without the DOM.
    const attach = (url: string) => `import('/sdk.js').then(async ({ attachSession }) => {
    const session = await attachSession(${JSON.stringify({ url, sessionId: knownId, token })}, { requestTimeoutMs: 3000 })
    await session.livekit()
    globalThis.session = session
    return session.view.status
  }).catch((error) => error.code)`
    t.equal(await page.evaluate(attach(refusing.url)), 'GRN_CLIENT_UNREACHABLE')
    t.same(refusing.calls, [], 'the preflight was not passed')
    t.equal(await page.evaluate(attach(allowing.url)), 'ACTIVE')
    await until('the page renews', () => allowing.calls.some(([name]) => name === 'renew'))
    await page.evaluate('globalThis.session.end().then(() => undefined)')
    t.match(allowing.calls.at(-1), ['close', knownId, 'caller', 3])
  },
)
