import t from 'tap'
import { newAssignment } from './contract-fixture.ts'
import { delivery, startAgentProcess } from './echo-agent-process.ts'

/** Tells at the exit what the process has loaded: parts of Node, and files. */
const tellLoaded = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  const files = []
  registerHooks({ load: (url, context, next) => (files.push(url), next(url, context)) })
  process.on('exit', () => process.stdout.write(JSON.stringify({ loaded: [...process.moduleLoadList, ...files] }) + '\\n'))
`)}`

/** Each of them costs every start more than all code of an agent together. */
const notWanted = /undici|node_modules|src\/config\.ts|src\/metrics\.ts/

const file = (path: string) => new URL(`../../src/${path}`, import.meta.url).pathname
const programs: Readonly<Record<string, readonly string[]>> = {
  'the echo agent': [file('agent/echo-agent.ts')],
  'agent echo': [file('main.ts'), 'agent', 'echo'],
  'agent-exec': [file('main.ts'), 'agent-exec', '--', 'sleep', '60'],
}

for (const [name, program] of Object.entries(programs))
  void t.test(`${name} has loaded no package and no undici when it serves`, async (t) => {
    const agent = await startAgentProcess(t, [process.execPath, '--import', tellLoaded, ...program])
    t.match(await delivery.assign(agent.pod, newAssignment(), 5_000), { kind: 'accepted' })
    agent.child.kill('SIGTERM')
    await agent.exited
    await agent.logged(/"loaded"/)
    const { loaded } = JSON.parse(agent.lines.at(-1) ?? '{}') as { loaded: string[] }
    t.ok(
      loaded.some((one) => one.endsWith('src/agent/serve.ts')),
      'the list is whole',
    )
    t.same(
      loaded.filter((one) => notWanted.test(one)),
      [],
    )
  })
