import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import type { ApiAppDeps } from '../../src/http/api-app.ts'
import { apiKey, knownId, newSession, startApi } from '../http/api-bed.ts'
import { accessibilityProblems, openPage, startBrowser } from '../support/browser.ts'

/** What the page says when something is missing: a key, a pool, a pod, LiveKit, the session itself. */

/** Nobody listens there. */
const liveKitUrl = 'ws://127.0.0.1:9'

async function startPage(t: Test, overrides: Partial<ApiAppDeps> = {}) {
  const livekit = {
    url: liveKitUrl,
    room: 'r',
    token: 'x',
    expiresAt: new Date(Date.now() + 600_000).toISOString(),
  }
  const api = await startApi(t, {
    tryPage: { liveKitUrl },
    // Renewed each half second.
    openSession: async () => ({
      session: newSession({ leaseMs: 1_500 }),
      livekit,
      replayed: false,
      stagesMs: {},
    }),
    ...overrides,
  })
  api.rows.set(knownId, newSession({ leaseMs: 1_500 }))
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...api, url: `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}/try` }
}

const withKey = (url: string) => `${url}#key=${apiKey}`
const shows = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor({ timeout: 15_000 })
const start = async (page: Page) => {
  await shows(page, '2 ready')
  await page.getByRole('button', { name: 'Start the conversation' }).click()
}

void t.test('a wrong key is asked for again, a right one is kept out of the address', async (t) => {
  const { url } = await startPage(t)
  const { page, complaints } = await openPage(await startBrowser(t))
  await page.goto(url)
  await page.getByLabel('API key').fill('wrong')
  await page.keyboard.press('Enter')
  await shows(page, 'That key does not work.')
  t.equal(await page.getByLabel('API key').getAttribute('aria-invalid'), 'true')
  t.same(await accessibilityProblems(page), [])
  await page.getByLabel('API key').fill(apiKey)
  await page.keyboard.press('Enter')
  await shows(page, 'echo-agent')
  t.notOk(await page.getByText('That key does not work.').isVisible())
  await page.goto('about:blank')
  await page.goto(withKey(url))
  await shows(page, 'echo-agent')
  t.equal(page.url(), url)
  await page.reload()
  await shows(page, 'echo-agent')
  await page.getByRole('button', { name: 'Use another key' }).click()
  await page.reload()
  await page.getByLabel('API key').waitFor()
  t.same(
    complaints.filter((line) => !line.includes('401')),
    [],
    'nothing but the refused key',
  )
})

void t.test('no pool, an empty pool, no pod in time, no LiveKit', async (t) => {
  let refusal = new GreenroomError('GRN_POOL_EMPTY', 'No pod of echo-agent became ready within 5000 ms.', {
    // Longer than the page waits: it shows the refusal.
    retryAfterMs: 60_000,
  })
  const { url } = await startPage(t, {
    readPools: { all: async () => [], one: async () => undefined },
  })
  const browser = await startBrowser(t)
  const { page } = await openPage(browser, { colorScheme: 'dark' })
  await page.goto(withKey(url))
  await shows(page, /There is no pool yet/)
  t.ok(await page.getByRole('button', { name: 'Start the conversation' }).isDisabled())
  t.same(await accessibilityProblems(page), [])

  const empty = await startPage(t, {
    openSession: async () => {
      throw refusal
    },
  })
  await page.goto(withKey(empty.url))
  await start(page)
  await shows(page, 'No warm pod became free.')
  t.same(await accessibilityProblems(page), [])
  refusal = new GreenroomError('GRN_UNKNOWN_AGENT_TYPE')
  await start(page)
  await shows(page, 'That did not work.')

  const silent = await startPage(t, {
    tryPage: { liveKitUrl: undefined },
    roomAccess: undefined,
    openSession: async () => ({ session: newSession(), livekit: undefined, replayed: false, stagesMs: {} }),
  })
  await page.goto(withKey(silent.url))
  await start(page)
  await shows(page, 'This Greenroom has no LiveKit.')
})

void t.test('LiveKit is away; then the server ends the session', async (t) => {
  const { url, rows } = await startPage(t)
  const { page, complaints } = await openPage(await startBrowser(t), {
    viewport: { width: 360, height: 700 },
  })
  await page.goto(withKey(url))
  await start(page)
  await shows(page, 'LiveKit cannot be reached.')
  await page.getByRole('button', { name: 'Join again' }).waitFor()
  t.match(await page.locator('[data-step="open"]').getAttribute('data-ms'), /^\d+$/)
  t.match(await page.locator('#facts').textContent(), `${newSession().pod?.name}`)
  t.same(await accessibilityProblems(page), [])
  const wide = await page.evaluate('document.documentElement.scrollWidth')
  t.equal(wide, 360, 'nothing sticks out')
  rows.set(knownId, newSession({ status: 'ENDED', endReason: 'pod:died' }))
  await shows(page, 'Its pod died.')
  t.equal(await page.evaluate('document.activeElement.id'), 'title', 'a screen reader reads it out')
  await page.getByRole('button', { name: 'Start another' }).click()
  await shows(page, 'echo-agent')
  t.same(
    complaints.filter(
      (line) => !/WebSocket|ERR_CONNECTION_REFUSED|127\.0\.0\.1:9|ERR_UNSAFE_PORT/.test(line),
    ),
    [],
    'nothing but the missing server',
  )
})

void t.test('the whole way by keyboard', async (t) => {
  const { url, calls } = await startPage(t)
  const { page } = await openPage(await startBrowser(t), { reducedMotion: 'reduce' })
  await page.goto(url)
  await page.keyboard.type(apiKey)
  await page.keyboard.press('Enter')
  await shows(page, '2 ready')
  await page.locator('[name="agent"]').focus()
  await page.keyboard.press('Tab')
  await page.keyboard.press('ArrowDown')
  t.ok(await page.getByRole('radio', { name: /Test tone/ }).isChecked())
  await page.keyboard.press('Enter')
  await page.locator('#say').waitFor()
  await page.locator('#say').focus()
  for (const name of ['Send', 'Mute', 'End the conversation']) {
    await page.keyboard.press('Tab')
    t.equal(await page.evaluate('document.activeElement.textContent'), name)
  }
  await page.keyboard.press('Enter')
  await shows(page, /You ended it/)
  t.ok(calls.some(([call]) => call === 'close'))
})
