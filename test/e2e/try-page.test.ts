import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { accessibilityProblems, openPage, startBrowser } from '../support/browser.ts'
import { createSessionCaller } from './session-caller.ts'

/** A person opens the page, presses one button and hears an agent: a real browser, LiveKit, API server and pod. */

void t.test('a conversation in the browser', { timeout: 150_000 }, async (t) => {
  const bed = await startBed({
    livekit: true,
    pools: poolsDocument({ min: 3, max: 8 }),
    apiEnv: { GREENROOM_TRY_PAGE: 'true' },
  })
  t.teardown(() => bed.stop())
  const caller = createSessionCaller(bed)
  await caller.untilIdle(3)
  const browser = await startBrowser(t)
  const address = `${bed.apiUrls[0]}/try#key=${bed.apiKey}`

  await t.test('with a microphone: words and sound come back, and the person ends it', async (t) => {
    const { page, complaints } = await openPage(browser, { colorScheme: 'light' })
    await page.goto(address)
    await page.getByText('3 ready').waitFor()
    t.same(await accessibilityProblems(page), [], 'the choice')
    await page.getByRole('button', { name: 'Start the conversation' }).click()
    for (const step of ['open', 'join', 'agent', 'echo', 'audio'])
      await page.locator(`[data-step="${step}"][data-ms]`).waitFor({ timeout: 20_000 })
    t.comment(await page.locator('#steps').innerText())
    await page.getByRole('textbox', { name: 'Message' }).fill('Is anybody there? 你好 👋')
    await page.keyboard.press('Enter')
    await page.locator('#log .agent', { hasText: 'Is anybody there? 你好 👋' }).waitFor()
    t.same(await accessibilityProblems(page), [], 'the conversation')
    const { sessions } = (await caller.client.call({ method: 'GET', path: '/v1/sessions?status=ACTIVE' }))
      .body
    const [session] = sessions
    t.equal(
      await page.locator('[data-fact="pod"]').textContent(),
      session?.pod.name,
      'the pod that answers is shown',
    )
    await page.getByRole('button', { name: 'Mute' }).click()
    t.equal(await page.getByRole('button', { name: 'Mute' }).getAttribute('aria-pressed'), 'true')
    await page.getByRole('button', { name: 'End the conversation' }).click()
    await page.locator('#intro', { hasText: 'You ended it' }).waitFor()
    t.match(await caller.untilEnded(session?.id ?? ''), { endReason: 'ended:caller' })
    t.same(complaints, [], 'no error, nothing against the content security policy')
    await page.context().close()
  })

  await t.test('in the dark, by a tone, until the server ends it', async (t) => {
    const { page, complaints } = await openPage(browser, { colorScheme: 'dark' })
    await page.goto(address)
    await page.getByText('echo-agent').waitFor()
    await page.getByRole('radio', { name: /Test tone/ }).check()
    t.same(await accessibilityProblems(page), [], 'the choice')
    await page.getByRole('button', { name: 'Start the conversation' }).click()
    await page.locator('[data-step="audio"][data-ms]').waitFor({ timeout: 20_000 })
    t.same(await accessibilityProblems(page), [], 'the conversation')
    t.same(complaints, [], 'until its end')
    const id = (await page.locator('[data-fact="session"]').textContent()) ?? ''
    t.equal((await caller.client.end(id)).status, 202)
    // Its room is deleted, so that the page hears of it before the next renewal.
    await page.getByRole('heading', { name: 'The conversation is over' }).waitFor({ timeout: 30_000 })
    t.match(await page.locator('#intro').textContent(), /another program/)
    t.same(await accessibilityProblems(page), [], 'the end')
    // LiveKit closes the data channels of a room that it deletes. Its client complains if it sees that before it is told why.
    t.same(
      complaints.filter((text) => !/data ?channel/i.test(text)),
      [],
    )
    await page.context().close()
  })

  await t.test('a page that is closed ends its session', async () => {
    const { page } = await openPage(browser)
    await page.goto(address)
    await page.getByRole('button', { name: 'Start the conversation' }).click()
    await page.locator('[data-step="agent"][data-ms]').waitFor({ timeout: 20_000 })
    const id = (await page.locator('[data-fact="session"]').textContent()) ?? ''
    await page.goto('about:blank')
    await until('its end', async () => /END/.test((await caller.client.read(id)).body.status))
  })

  await t.test('a microphone that is refused: the tone goes out instead', async (t) => {
    const { page } = await openPage(browser)
    await page.addInitScript(`navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('denied', 'NotAllowedError')
    }`)
    await page.goto(address)
    await page.getByRole('button', { name: 'Start the conversation' }).click()
    await page.getByText('There is no microphone.').waitFor()
    await page.locator('[data-step="audio"][data-ms]').waitFor({ timeout: 20_000 })
    t.match(await page.locator('#own-lane').textContent(), /test tone/)
    await page.getByRole('button', { name: 'End the conversation' }).click()
    await page.locator('#intro', { hasText: 'You ended it' }).waitFor()
  })
})
