import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { keepTheMost } from '../../src/cli/compile-cache.ts'
import { runMain } from '../support/run-main.ts'

/** Whether a process that loads this program has loaded the type stripper as well. */
async function loadsStripper(path: string, env: Readonly<Record<string, string>>): Promise<string> {
  const program = `
    await import('./src/${path}')
    console.log(process.moduleLoadList.some((name) => /amaro/.test(name)))`
  const args = ['-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', program]
  return (await promisify(execFile)('/usr/bin/env', args, { cwd: root, env })).stdout.trim()
}

void t.test('a process that finds the filled cache never loads the type stripper', async (t) => {
  const env = { NODE_COMPILE_CACHE: t.testdir() }
  t.match(await runMain(['compile-cache'], env), { code: 0, stderr: '' })
  t.not((await readdir(env.NODE_COMPILE_CACHE)).length, 0)
  for (const path of [
    ...['api', 'controller', 'webhook'].map((role) => `roles/${role}-role.ts`),
    'cli/doctor.ts',
    'agent/echo-agent.ts',
  ])
    t.equal(await loadsStripper(path, env), 'false', path)
  t.equal(await loadsStripper('roles/webhook-role.ts', {}), 'true', 'without the cache it is needed')
})

void t.test('without a folder to fill it says so', async (t) => {
  t.match(await runMain(['compile-cache'], { NODE_COMPILE_CACHE: undefined }), {
    code: 1,
    stderr: /^GRN_INVALID_CONFIG: There is no compile cache to fill: set NODE_COMPILE_CACHE/,
  })
})

void t.test('of each file the version of most folders is kept, and none that few have', async (t) => {
  const run = (content: string, more = {}) => ({ deep: { same: 'x', differs: content }, ...more })
  const folder = t.testdir({ a: run('1', { rare: '' }), b: run('2'), c: run('2'), target: {} })
  await keepTheMost(
    ['a', 'b', 'c'].map((name) => join(folder, name)),
    join(folder, 'target'),
  )
  t.same(await readdir(join(folder, 'target')), ['deep'])
  t.equal(await readFile(join(folder, 'target/deep/differs'), 'utf8'), '2')
  t.equal(await readFile(join(folder, 'target/deep/same'), 'utf8'), 'x')
})
