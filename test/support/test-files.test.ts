import { join, relative } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { createNeedsServers, findTestFiles } from './test-files.ts'

void t.test('each test file is found once, in the group that it belongs to', async (t) => {
  const files = findTestFiles()
  t.equal(new Set(files.map(({ path }) => path)).size, files.length)
  // Named without their ending: a whole name would put this file into the group of what it names.
  const groupOf = (name: string) => files.find(({ path }) => path === `test/${name}.test.ts`)?.needsServers
  for (const name of ['domain/slot', 'cli/explain', 'lint-boundaries', 'support/test-files'])
    t.equal(groupOf(name), false, `${name} needs no server`)
  for (const name of ['stores/redis-slot-index', 'integration/doctor', 'e2e/demo', 'e2e/chaos'])
    t.equal(groupOf(name), true, `${name} needs servers`)
  const firstUnit = files.findIndex(({ needsServers }) => !needsServers)
  t.ok(
    files.slice(firstUnit).every(({ needsServers }) => !needsServers),
    'what needs no server comes last',
  )
})

const quoted = (text: string) => `'${text}'`

void t.test('a server is found behind imports, programs and scripts, not behind types', async (t) => {
  const folder = t.testdir()
  const bed = (name: string) => join(root, 'bed', name)
  const from = (name: string) => `from '${relative(folder, bed(name))}.ts'`
  const sources = {
    starts: `import { startRedis } ${from('servers/redis-server')}`,
    imports: "export { startRedis } from './starts.ts'",
    'loads-late': "const { startRedis } = await import('./imports.ts')",
    'runs-program': "spawn(process.execPath, ['./starts.ts'])",
    'runs-from-top': `spawn(process.execPath, ['${relative(root, bed('programs/demo'))}.ts'])`,
    'runs-script': `execFile(${quoted('npm')}, ['run', 'demo'])`,
    'types-alone': `import type { RedisServer } ${from('servers/redis-server')}`,
    neither: `import { freePort } ${from('servers/free-port')}`,
  }
  t.testdir(Object.fromEntries(Object.entries(sources).map(([name, text]) => [`${name}.ts`, text])))
  const needsServers = createNeedsServers()
  const needing = Object.keys(sources).filter((name) => needsServers(join(folder, `${name}.ts`)))
  t.strictSame(needing, Object.keys(sources).slice(0, 6))
})
