import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { isAlive } from '../processes/is-alive.ts'
import { cacheFolder } from './cache-folder.ts'

const lookEveryMs = 500

/**
 * Runs one set-up at a time per cache, so that two do not build the same for nine minutes. That is its only purpose:
 * results are renamed into place, so two set-ups at once (both took over the lock of a dead process) do no harm.
 */
export async function withSetupLock<T>(say: (line: string) => void, work: () => Promise<T>): Promise<T> {
  const path = join(cacheFolder(), 'setup.lock')
  await mkdir(cacheFolder(), { recursive: true })
  let told = false
  while (!(await take(path))) {
    const holder = Number(await readFile(path, 'utf8').catch(() => '0'))
    if (holder > 0 && !isAlive(holder)) await rm(path, { force: true })
    else {
      if (!told) say(`waiting for another set-up (process ${holder})`)
      told = true
      await setTimeout(lookEveryMs)
    }
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    await file.writeFile(String(process.pid))
    await file.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
