import type { Page } from 'playwright-core'
import t from 'tap'
import { apiKey, knownId, newSession } from '../http/api-bed.ts'
import { accessibilityProblems, openPage, startBrowser } from '../support/browser.ts'
import { nothingMore, openDashboard, poolReport, signIn, startDashboard, well } from './dashboard-bed.ts'

/** What an operator sees, in Chromium: with everything well, with half of it down, and with hostile names. */

const browser = await startBrowser(t)
const shows = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor({ timeout: 15_000 })

void t.test(
  'signing in: a wrong key is told, a right one stays in the tab and out of the address',
  async (t) => {
    const { url } = await startDashboard(t)
    const { page, complaints } = await openPage(browser, { reducedMotion: 'reduce' })
    await page.goto(`${url}?status=ACTIVE`)
    await signIn(page, 'wrong')
    await page.locator('#sign-in-why').getByText(/./).waitFor()
    t.equal(await page.getByLabel('API key or token').getAttribute('aria-invalid'), 'true')
    t.same(await accessibilityProblems(page), [])
    await page.keyboard.press('Escape')
    await page.keyboard.press('Escape')
    await page.locator('#sign-in').waitFor({ timeout: 15_000 })
    await signIn(page)
    await shows(page, 'All is well')
    await shows(page, 'key 7hq2m4x9c1ab · every project · admin')
    t.equal(page.url(), `${url}?status=ACTIVE`, 'the place is kept')
    t.equal(await page.locator('#session-status').inputValue(), 'ACTIVE')
    await page.reload()
    await shows(page, 'All is well')
    t.same(await page.evaluate('[document.cookie, localStorage.length, Object.values(sessionStorage)]'), [
      '',
      0,
      [apiKey],
    ])
    await page.getByRole('button', { name: 'Sign out' }).click()
    t.notOk(await page.locator('#dashboard').isVisible())
    await page.reload()
    await page.getByLabel('API key or token').waitFor()
    t.same(
      complaints.filter((line) => !line.includes('401')),
      [],
      'nothing but the refused key',
    )
    await page.context().close()
  },
)

void t.test('a sign-in that expires says so, and keeps the place', async (t) => {
  const { url, world } = await startDashboard(t)
  const { page } = await openDashboard(browser, `${url}?agentType=echo-agent`)
  await page.getByRole('link', { name: knownId }).click()
  await page.getByRole('heading', { name: 'Session', exact: true }).waitFor()
  const place = page.url()
  const { caller } = world
  world.caller = undefined
  await shows(page, /Your sign-in has expired/)
  t.same(await accessibilityProblems(page), [])
  t.ok(await page.locator('#session-rows').isVisible(), 'what was read is still there')
  world.caller = caller
  await signIn(page)
  await page.locator('#sign-in').waitFor({ state: 'hidden' })
  t.equal(page.url(), place)
  t.ok(await page.getByRole('heading', { name: 'Session', exact: true }).isVisible())
  await page.context().close()
})

void t.test('with the API half down each panel says what it does not know, and since when', async (t) => {
  const { url, world } = await startDashboard(t)
  world.failing.add('pools').add('status')
  const { page } = await openDashboard(browser, url, { colorScheme: 'dark' })
  const note = (panel: string) => page.locator(`[data-note="${panel}"]`)
  await note('pools')
    .getByText(/^Not known since [\d:]+\. PostgreSQL does not answer\./)
    .waitFor()
  await shows(page, 'The state is not known')
  t.ok(await page.getByRole('link', { name: knownId }).isVisible(), 'the other half is shown')
  t.notOk(await page.getByText('There is no pool yet').isVisible(), 'not known is not none')
  t.notOk(await page.getByText('Nothing needs attention').isVisible())
  t.same(await accessibilityProblems(page), [])
  world.failing.clear()
  await shows(page, 'All is well')
  await note('pools').waitFor({ state: 'hidden' })
  world.failing.add('pools')
  await note('pools')
    .getByText(/^Not known since [\d:]+\. Shown as it was at [\d:]+\./)
    .waitFor()
  t.ok(await page.getByRole('link', { name: 'echo-agent' }).isVisible(), 'what was known stays')
  await page.context().close()
})

void t.test('scopes decide what is seen and offered', async (t) => {
  const { url, world } = await startDashboard(t)
  world.caller = { kind: 'oidc', id: 'ann', projectId: 'checkout', scopes: new Set(['pools:read']) }
  const { page } = await openDashboard(browser, url)
  await shows(page, 'token of ann · project checkout · pools:read')
  await page
    .locator('[data-note="sessions"]')
    .getByText(/Not shown to this credential.*sessions:read/)
    .waitFor()
  await page
    .locator('[data-note="audit"]')
    .getByText(/Not shown to this credential.*admin/)
    .waitFor()
  await shows(page, 'Not live: needs sessions:read')
  await page.getByRole('link', { name: 'echo-agent' }).click()
  await page.getByRole('heading', { name: 'Pool echo-agent' }).waitFor()
  t.notOk(await page.getByRole('button', { name: 'Freeze' }).isVisible())
  await page.context().close()
})

void t.test('hostile names and metadata stay text, in every field', async (t) => {
  const { url, world, rows } = await startDashboard(t)
  const hostile = (field: string) =>
    `<img src=x onerror="window.hacked='${field}'">"'><script>window.hacked='${field}'</script>\u202e{{7*7}}`
  world.pools = [
    poolReport({
      agentType: hostile('agentType'),
      boundBy: hostile('boundBy'),
      message: hostile('message'),
      configuration: { seen: hostile('seen'), applied: hostile('applied'), problems: [hostile('problems')] },
      problem: {
        cause: 'image',
        message: hostile('problem'),
        count: 3,
        since: '2026-03-01T09:00:00.000Z',
        lastAt: '2026-03-01T09:00:00.000Z',
        nextTryAt: undefined,
        remedy: hostile('remedy'),
      },
    }),
  ]
  world.status = {
    ...well,
    state: 'attention',
    parts: [
      {
        part: 'controller',
        state: 'down',
        detail: hostile('detail'),
        ...nothingMore(),
        leader: hostile('leader'),
      },
    ],
    problems: [
      {
        code: hostile('code'),
        subject: hostile('subject'),
        what: hostile('what'),
        cause: hostile('cause'),
        command: hostile('command'),
        since: undefined,
      },
    ],
  }
  world.audit = [
    {
      id: knownId,
      at: 0,
      by: { kind: 'oidc', id: hostile('by') },
      projectId: hostile('project'),
      action: 'session.end',
      subject: hostile('audited'),
    },
  ]
  const counts = { denied: 1, changed: 0, warned: 0 }
  world.admission = {
    ...world.admission,
    rows: [{ rule: hostile('rule'), namespace: hostile('namespace'), ...counts }],
  }
  world.course = {
    endedAt: Date.UTC(2026, 2, 1, 10),
    endReason: hostile('reason'),
    endDetail: hostile('last words'),
  }
  rows.set(
    knownId,
    newSession({
      agentType: hostile('session type'),
      projectId: hostile('project'),
      roomName: hostile('room'),
      metadata: { [hostile('key')]: hostile('metadata'), __proto__: { hacked: 1 } },
      pod: { uid: 'u', name: hostile('pod'), ip: hostile('ip') },
      endDetail: hostile('endDetail'),
    }),
  )
  const { page, complaints } = await openDashboard(browser, url, { viewport: { width: 360, height: 780 } })
  const isShown = (field: string) =>
    page.getByText(`window.hacked='${field}'`).first().waitFor({ state: 'attached' })
  for (const field of [
    'agentType',
    'problem',
    'detail',
    'code',
    'what',
    'cause',
    'command',
    'by',
    'audited',
    'pod',
    'project',
    'rule',
    'namespace',
  ])
    await isShown(field)
  t.equal(await page.evaluate('document.documentElement.scrollWidth'), 360, 'nothing sticks out')
  await page.getByRole('link', { name: knownId }).click()
  for (const field of ['room', 'ip', 'metadata', 'key', 'endDetail', 'reason', 'last words'])
    await isShown(field)
  await page.keyboard.press('Escape')
  await page.locator('#pool-rows a').click()
  for (const field of ['remedy', 'seen', 'problems']) await isShown(field)
  await page.keyboard.press('Escape')
  for (const key of ['agentType', 'projectId', 'search', 'cursor', 'pool', 'session', 'status'])
    await page.goto(`${url}?${key}=${encodeURIComponent(hostile(key))}`)
  t.equal(await page.evaluate('window.hacked'), undefined)
  t.equal(await page.locator('img:not([src$=".svg"]), main script').count(), 0)
  t.same(
    complaints.filter((line) => !/40[04]|50[03]/.test(line)),
    [],
    'nothing against the policy',
  )
  await page.context().close()
})

void t.test('many pools and problems: the document stays small', async (t) => {
  const { url, world } = await startDashboard(t)
  const numbers = Array.from({ length: 400 }, (_, n) => n)
  world.pools = numbers.map((n) => poolReport({ agentType: `agent-${n}` }))
  const problem = {
    code: 'image',
    what: 'No pods.',
    cause: 'No image.',
    command: 'kubectl get pods',
    since: undefined,
  }
  world.status = {
    ...well,
    state: 'attention',
    problems: numbers.map((n) => ({ ...problem, subject: `pool agent-${n}` })),
  }
  const { page } = await openDashboard(browser, url)
  await shows(page, 'Next pools (1–25 of 400)')
  t.ok(Number(await page.evaluate('document.querySelectorAll("*").length')) < 1_500)
  await shows(page, '370 more.')
  await page.getByRole('button', { name: /Next pools/ }).click()
  await page.getByRole('link', { name: 'agent-30', exact: true }).waitFor()
  await page.getByLabel('Pools whose name contains').fill('399')
  await page.getByRole('link', { name: 'agent-399' }).waitFor()
  t.equal(await page.locator('#pool-rows tr').count(), 1)
  await page.context().close()
})
