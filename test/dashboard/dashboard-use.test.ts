import type { Page } from 'playwright-core'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { knownId, newSession } from '../http/api-bed.ts'
import { accessibilityProblems, openPage, startBrowser } from '../support/browser.ts'
import { openDashboard, signIn, startDashboard } from './dashboard-bed.ts'
import { tellOfTheNight } from './night-at-three.ts'

/** What an operator does with the page, in Chromium: look closer, act, and hear of changes. */

const browser = await startBrowser(t)
const shows = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor({ timeout: 15_000 })
const focused = (page: Page) => page.evaluate('document.activeElement.textContent')

void t.test('with everything on it, the page and its drawers are accessible in light and dark', async (t) => {
  const dashboard = await startDashboard(t)
  tellOfTheNight(dashboard)
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page, complaints } = await openDashboard(browser, dashboard.url, { colorScheme })
    await shows(page, 'Redis is down, and 1 more')
    await shows(page, 'Drift: ')
    await page.getByText('What each part says').click()
    t.same(await accessibilityProblems(page), [], `${colorScheme}: the page`)
    await page.locator('#pool-rows a').first().click()
    await shows(page, 'All pods have the current revision.')
    t.same(await accessibilityProblems(page), [], `${colorScheme}: a pool`)
    await page.keyboard.press('Escape')
    await page.locator('#session-rows a').nth(1).click()
    await shows(page, 'Agent joined')
    t.same(await accessibilityProblems(page), [], `${colorScheme}: a session`)
    await page.getByRole('button', { name: 'End this session' }).click()
    t.same(await accessibilityProblems(page), [], `${colorScheme}: a question`)
    t.same(complaints, [])
    await page.context().close()
  }
})

void t.test('the whole way by keyboard', async (t) => {
  const { url, calls } = await startDashboard(t)
  const { page } = await openPage(browser, { reducedMotion: 'reduce' })
  await page.goto(url)
  await signIn(page)
  const link = page.getByRole('link', { name: knownId })
  await link.waitFor()
  await link.focus()
  await page.keyboard.press('Enter')
  await page.locator('#detail-title').waitFor()
  t.equal(await focused(page), 'Session', 'a screen reader reads where one is')
  await page.getByRole('button', { name: 'End this session' }).waitFor()
  // Close, the metadata would be next if there were any, then the action.
  for (const name of ['Close', 'End this session']) {
    await page.keyboard.press('Tab')
    t.equal(await focused(page), name)
  }
  await page.keyboard.press('Enter')
  await page.locator('#question-title').waitFor()
  t.equal(await focused(page), 'Cancel', 'a key pressed by mistake ends nothing')
  await page.keyboard.press('Escape')
  t.equal(await focused(page), 'End this session', 'back where one was')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.locator('#announcement', { hasText: 'The session is ending.' }).waitFor({ state: 'attached' })
  t.same(calls.at(-1)?.slice(0, 2), ['close', knownId])
  await page.locator('.status', { hasText: 'ending' }).waitFor()
  await page.keyboard.press('Escape')
  await page.locator('#detail').waitFor({ state: 'hidden' })
  await page.waitForURL((address) => !address.search.includes('session='))
  await page.context().close()
})

void t.test('an action that is refused says why, and can be tried again', async (t) => {
  const { url, world } = await startDashboard(t)
  const { page } = await openDashboard(browser, url)
  await page.getByRole('link', { name: knownId }).click()
  await page.getByRole('button', { name: 'End this session' }).click()
  world.caller = world.caller && { ...world.caller, scopes: new Set(['sessions:read', 'pools:read']) }
  await page.getByRole('button', { name: 'End the session' }).click()
  await page.locator('#question [role="alert"]', { hasText: 'sessions:end' }).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.locator('#question').waitFor({ state: 'hidden' })
  await page.context().close()
})

void t.test('a roll-out is paused, resumed and undone', async (t) => {
  const { url, world } = await startDashboard(t)
  const { page } = await openDashboard(browser, url)
  await page.getByRole('link', { name: 'echo-agent' }).click()
  for (const [order, phase] of [
    ['Pause', 'paused'],
    ['Resume', 'rolling'],
    ['Undo', 'undone'],
  ] as const) {
    await page.getByRole('button', { name: `${order} the roll-out` }).click()
    await page.getByRole('button', { name: `${order} it` }).click()
    await page.locator('.facts', { hasText: phase }).waitFor()
    t.equal(world.rollout.phase, phase)
  }
  await page.context().close()
})

void t.test(
  'a pool is frozen, thawed and resized after its difference was seen; a pod of it is retired',
  async (t) => {
    const { url, world } = await startDashboard(t)
    const { page, complaints } = await openDashboard(browser, url)
    await page.getByRole('link', { name: 'echo-agent' }).click()
    await page.getByRole('button', { name: 'Freeze the pool' }).click()
    await page.getByRole('button', { name: 'Freeze it' }).click()
    await page.getByRole('button', { name: 'Thaw the pool' }).click()
    t.equal(world.pools[0]?.boundBy, 'frozen')
    await page.getByRole('button', { name: 'Thaw it' }).click()
    await page.getByRole('button', { name: 'Freeze the pool' }).waitFor()
    const resize = async (min: string, max: string) => {
      await page.getByRole('button', { name: 'Change its size' }).click()
      await page.getByLabel('Idle pods, at least').fill(min)
      await page.getByLabel('Pods in all, at most').fill(max)
      await page.getByRole('button', { name: 'Show what changes' }).click()
    }
    await resize('9', '5')
    await page.locator('#question [role="alert"]', { hasText: 'min is above max.' }).waitFor()
    await page.keyboard.press('Escape')
    await resize('4', '40')
    await page.locator('#question [role="alert"]', { hasText: 'Nothing would change' }).waitFor()
    await page.keyboard.press('Escape')
    await resize('7', '40')
    await page.locator('.diff .added', { hasText: '+min: 7' }).waitFor()
    t.match(await page.locator('.diff .removed').allTextContents(), [/^-min: 4/])
    t.same(await accessibilityProblems(page), [])
    t.same(world.pools[0]?.desired, { min: 4, max: 40 }, 'nothing is written yet')
    await page.getByRole('button', { name: 'Write it' }).click()
    await page.locator('.facts', { hasText: 'at least 7 idle' }).waitFor()
    world.writable = false
    await resize('8', '40')
    await page.locator('#question', { hasText: 'kubectl -n ai-agents edit configmap agent-pools' }).waitFor()
    await page.getByRole('button', { name: 'Understood' }).click()
    t.equal(world.pools[0]?.desired.min, 7)
    await page.getByRole('button', { name: 'Retire a pod' }).click()
    t.same(await accessibilityProblems(page), [])
    await page.getByLabel('Name of the pod').fill('echo-agent-x7k2p')
    await page.keyboard.press('Enter')
    await page
      .locator('#announcement', { hasText: 'Pod echo-agent-x7k2p is retired.' })
      .waitFor({ state: 'attached' })
    t.same(world.retired, ['echo-agent-x7k2p'])
    t.same(
      complaints.filter((line) => !line.includes('422') && !line.includes('400')),
      [],
    )
    await page.context().close()
  },
)

void t.test('a change is seen when it happens, not when the page next looks', async (t) => {
  const { url, rows, happen } = await startDashboard(t)
  const { page } = await openPage(browser)
  // The page's clock stands still but for what the test lets pass: far less than until the next look.
  await page.clock.install()
  await page.goto(url)
  await signIn(page)
  await shows(page, knownId)
  await page.locator('#live[data-state="live"]').waitFor()
  // Below the 45 s after which a silent stream counts as broken.
  await page.clock.pauseAt(Date.now() + 20_000)
  // What was due in that time is read; the next look at sessions is ten seconds away.
  const settled = page.waitForResponse(/\/v1\/sessions\?/)
  await page.clock.runFor(1_000)
  await settled
  await shows(page, 'All is well')
  const id = knownId.replace(/1$/, '2')
  rows.set(id, newSession({ id }))
  happen({ type: 'session.active', agentType: 'echo-agent', sessionId: id, status: 'ACTIVE', epoch: 1 })
  const row = page.getByRole('link', { name: id })
  let passedMs = 0
  await until('the row', async () => {
    await page.clock.runFor(10)
    passedMs += 10
    return row.isVisible()
  })
  t.ok(passedMs < 9_000, `${passedMs} ms of its clock, and the next look is later`)
  await page.context().close()
})

void t.test('over a slow network nothing is taken for missing', async (t) => {
  const { url } = await startDashboard(t)
  const { page } = await openPage(browser, { reducedMotion: 'reduce' })
  const held: (() => void)[] = []
  let isSlow = true
  await page.route('**/v1/**', async (route) => {
    if (isSlow) await new Promise<void>((resolve) => held.push(resolve))
    await route.continue()
  })
  await page.goto(url)
  await signIn(page)
  const letGo = () => held.splice(0).forEach((go) => go())
  const signedIn = page.locator('#sign-in').waitFor({ state: 'hidden' })
  // The question whose credential it is.
  await until('the question', () => held.length > 0)
  letGo()
  await signedIn
  await page.locator('[data-note="pools"]', { hasText: 'Reading …' }).waitFor()
  await shows(page, 'Reading the state')
  for (const text of ['Nothing needs attention', 'There is no pool yet', 'No session was opened yet'])
    t.notOk(await page.getByText(text).isVisible(), text)
  t.same(await accessibilityProblems(page), [])
  isSlow = false
  letGo()
  await shows(page, 'All is well')
  await page.context().close()
})

void t.test('filters, pages and details are in the address, and the back button undoes them', async (t) => {
  const asked: (string | undefined)[][] = []
  const { url } = await startDashboard(t, {
    listSessions: async ({ status, search, before }) => {
      asked.push([status, search, before?.id])
      return { sessions: [newSession()], hasMore: true }
    },
  })
  const { page } = await openDashboard(browser, url)
  const last = () => asked.at(-1)
  await shows(page, knownId)
  await page.getByLabel('Status').selectOption('ACTIVE')
  await page.waitForURL(/status=ACTIVE/)
  await page.getByLabel('Session, pod or room').fill('echo-agent-abcde')
  await page.keyboard.press('Enter')
  await page.waitForURL(/search=echo-agent-abcde/)
  await page.getByRole('button', { name: 'Older sessions' }).click()
  await page.waitForURL(/cursor=/)
  await page.getByRole('button', { name: 'Newest' }).waitFor()
  t.same(last(), ['ACTIVE', 'echo-agent-abcde', knownId])
  await page.getByRole('link', { name: knownId }).click()
  await page.waitForURL(/session=/)
  const place = page.url()
  await page.reload()
  await page.locator('#detail-title').waitFor()
  t.equal(page.url(), place)
  await page.goBack()
  await page.locator('#detail').waitFor({ state: 'hidden' })
  for (let back = 0; back < 3; back += 1) await page.goBack()
  await page.waitForURL(url)
  t.equal(await page.getByLabel('Status').inputValue(), '')
  await page.context().close()
})
