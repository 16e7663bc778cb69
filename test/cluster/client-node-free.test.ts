import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

const program = new URL('loaded-modules.ts', import.meta.url).pathname

async function loadedWith(role: string): Promise<readonly string[]> {
  const module = new URL(`../../src/roles/${role}-role.ts`, import.meta.url).href
  // Without the test runner's own hooks.
  const { stdout } = await promisify(execFile)(process.execPath, [program, module], {
    env: {},
    maxBuffer: 16 * 1024 * 1024,
  })
  return JSON.parse(stdout)
}

const isLibrary = (url: string) => url.includes('/@kubernetes/client-node/')

for (const role of ['api', 'webhook'])
  void t.test(`role ${role} loads nothing of client-node, which costs memory (ADR 8)`, async (t) => {
    const loaded = await loadedWith(role)
    t.ok(loaded.some((url) => url.endsWith('/src/cluster/kube-access.ts')))
    t.same(loaded.filter(isLibrary).slice(0, 3), [])
  })

void t.test('role controller does, so that this test would see it', async (t) => {
  t.ok((await loadedWith('controller')).some(isLibrary))
})
