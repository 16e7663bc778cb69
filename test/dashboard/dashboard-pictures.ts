import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { startBrowser } from '../support/browser.ts'
import { openDashboard, startDashboard } from './dashboard-bed.ts'
import { tellOfTheNight } from './night-at-three.ts'

/**
 * Makes the pictures of the documents, `docs/images/dashboard-light.png` and `-dark.png`. With a folder, all that should be
 * looked at after a change goes there: `node test/dashboard/dashboard-pictures.ts FOLDER`.
 */

const [folder] = process.argv.slice(2)
const documents = join(root, 'docs/images')

void t.test('pictures', { timeout: 120_000 }, async (t) => {
  const dashboard = await startDashboard(t)
  tellOfTheNight(dashboard)
  const browser = await startBrowser(t)
  if (folder !== undefined) await mkdir(folder, { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of folder === undefined ? [1280] : [360, 800, 1440]) {
      const height = folder === undefined ? 1060 : 1000
      const { page } = await openDashboard(browser, dashboard.url, {
        colorScheme,
        viewport: { width, height },
        reducedMotion: 'reduce',
      })
      await page.getByText('Drift: ').waitFor()
      await page.locator('.spark path[d]').first().waitFor({ state: 'attached' })
      await page.locator('#live[data-state="live"]').waitFor()
      if (folder === undefined) {
        await page.screenshot({ path: join(documents, `dashboard-${colorScheme}.png`) })
      } else {
        const take = (name: string, fullPage = false) =>
          page.screenshot({ path: join(folder, `${colorScheme}-${width}-${name}.png`), fullPage })
        await take('page', true)
        await page.locator('#session-rows a').nth(1).click()
        await page.getByText('Agent joined').waitFor()
        await take('session')
        await page.getByRole('button', { name: 'End this session' }).click()
        await take('question')
        await page.keyboard.press('Escape')
        await page.keyboard.press('Escape')
        await page.locator('#pool-rows a').first().click()
        await page.locator('.chart-large path[d]').first().waitFor({ state: 'attached' })
        await take('pool')
      }
      await page.context().close()
    }
  }
})
