import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { agentIdentity } from '../../src/domain/names.ts'
import { delivery, startAgentProcess } from '../agent/echo-agent-process.ts'
import { openRooms, rtc } from '../agent/room-fixture.ts'
import { runProgram } from '../support/run-program.ts'

/** Every code block of docs/quickstart-agent.md, run from the sources; the package's own test runs it from the tarball. */

t.setTimeout(120_000)
t.teardown(() => rtc.dispose())

const page = readFileSync(join(root, 'docs/quickstart-agent.md'), 'utf8')
const blocks = [...page.matchAll(/```(\w+)\n([^]*?)```/g)].map(([, language, code = '']) => ({
  language,
  code: code.trim(),
}))
const sources = { 'greenroom/agent/room': 'src/agent/join-room.ts', 'greenroom/agent': 'src/agent/agent.ts' }

async function saveAgent(t: Test): Promise<string> {
  const folder = await temporaryFolder('quickstart')
  t.teardown(() => folder.remove())
  let code = blocks.find(({ language }) => language === 'js')?.code ?? ''
  for (const [entry, source] of Object.entries(sources))
    code = code.replace(`'${entry}'`, `'${pathToFileURL(join(root, source)).href}'`)
  await mkdir(folder.path, { recursive: true })
  const file = join(folder.path, 'agent.mjs')
  await writeFile(file, code)
  return file
}

void t.test('the page has the blocks that are run here, and no other', (t) => {
  t.same(
    blocks.filter(({ language }) => language !== 'js').map(({ code }) => code),
    ['npx greenroom agent-check -- node agent.mjs', 'greenroom agent-exec -- python agent.py'],
  )
  t.equal(blocks.length, 3)
  t.end()
})

void t.test('the ten lines serve a session and answer in the room', async (t) => {
  const agent = await startAgentProcess(t, [process.execPath, await saveAgent(t)])
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  const me = agentIdentity(session.sessionId, 1)
  t.match(await delivery.assign(agent.pod, session, 5_000), { kind: 'accepted' })
  await rooms.called('POST joined')
  const ada = await rooms.join(session.room)
  await ada.sees(me)
  await ada.isAnswered(`${me} chat: You said: good morning`, 'good morning')
  await delivery.end(agent.pod, { sessionId: session.sessionId, epoch: 1, reason: 'ended:caller' })
  t.equal(await agent.exited, 0)
})

void t.test('agent-check passes the ten lines', async (t) => {
  const command = ['agent-check', '--', process.execPath, await saveAgent(t)]
  const { code, stdout, stderr } = await runProgram('src/cli/greenroom.ts', command)
  t.equal(code, 0, stdout + stderr)
})

void t.test('agent-exec runs a command', async (t) => {
  const script = "console.log('SAW ' + process.env.SESSION_ID)"
  const program = [process.execPath, join(root, 'src/cli/greenroom.ts'), 'agent-exec', '--']
  const agent = await startAgentProcess(t, [...program, process.execPath, '-e', script])
  const rooms = await openRooms(t)
  const session = await rooms.newSession()
  await delivery.assign(agent.pod, session, 5_000)
  await agent.logged(`SAW ${session.sessionId}`)
})
