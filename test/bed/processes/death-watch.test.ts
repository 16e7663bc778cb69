import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'

const source = (path: string) => JSON.stringify(join(root, path))

void t.test('nothing outlives a starter that is killed with -9: no process, no folder', async (t) => {
  const script = `
    const { temporaryFolder } = await import(${source('bed/processes/temporary-folder.ts')})
    const { startRedis } = await import(${source('bed/servers/redis-server.ts')})
    const { startPostgres } = await import(${source('bed/servers/postgres-server.ts')})
    const folder = await temporaryFolder('victim')
    const redis = await startRedis({ folder: folder.path })
    const postgres = await startPostgres({ folder: folder.path })
    console.log(JSON.stringify({ folder: folder.path, pids: [redis.pid, postgres.pid] }))`
  const victim = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => victim.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: victim.stdout }), 'line')) as [string]
  const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] }
  t.ok(pids.every(isAlive))
  t.ok(existsSync(folder))
  victim.kill('SIGKILL')
  await until('both servers are dead', () => !pids.some(isAlive), 5_000)
  await until('the folder is gone', () => !existsSync(folder), 5_000)
  t.notOk(pids.some(isAlive))
})
