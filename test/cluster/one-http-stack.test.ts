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

/** Folders of the copies of a package that were loaded. */
function copiesOf(name: string, loaded: readonly string[]): readonly string[] {
  const marker = `/node_modules/${name}/`
  return [...new Set(loaded.filter((url) => url.includes(marker)).map((url) => url.split(marker)[0] ?? ''))]
}

for (const role of ['api', 'controller', 'webhook'])
  void t.test(`role ${role} talks to the API server over one HTTP stack (ADR 8)`, async (t) => {
    const loaded = await loadedWith(role)
    t.ok(loaded.some((url) => url.endsWith('/src/cluster/kube-connections.ts')))
    t.equal(copiesOf('@kubernetes/client-node', loaded).length, 1)
    // Ours and client-node's must be the same: two copies cost their memory twice and share no connection.
    t.equal(copiesOf('undici', loaded).length, 1)
  })
