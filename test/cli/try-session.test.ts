import t from 'tap'
import { apiKey, knownId, startApi } from '../http/api-bed.ts'
import { runProgram } from '../support/run-program.ts'

const { app, rows, calls } = await startApi(t)
const url = await app.listen({ host: '127.0.0.1', port: 0 })

function trySession(args: readonly string[], env: Record<string, string> = {}) {
  const GREENROOM_API_KEY = `${apiKey},another-key-of-sixteen`
  return runProgram('src/cli/greenroom.ts', ['try-session', ...args], {
    env: { GREENROOM_API_URL: url, GREENROOM_API_KEY, ...env },
  })
}

void t.test('opens a session with the first of several keys, and ends it', async (t) => {
  const { code, stdout, stderr } = await trySession([])
  t.equal(code, 0, stderr)
  t.match(
    stdout,
    new RegExp(
      `^opened ${knownId} on echo-agent-abcde after \\d+ ms\nended \\(ended:caller\\) after \\d+ ms\n$`,
    ),
  )
  t.equal(rows.get(knownId)?.status, 'ENDING')
  t.same(
    calls.filter(([what]) => what === 'close'),
    [['close', knownId, 'caller', 3]],
  )
})

void t.test('a refusal is one sentence with its code, and the exit code says so', async (t) => {
  const unknown = await trySession(['no-such-agent'])
  t.match(unknown, { code: 3, stdout: '', stderr: /^GRN_UNKNOWN_AGENT_TYPE: .*no-such-agent/ })
})

void t.test('wrong arguments are refused before anything is asked', async (t) => {
  for (const args of [['a', 'b'], ['--within', 'soon'], ['--within', '0'], ['--wrong']])
    t.match(await trySession(args), { code: 2, stdout: '', stderr: /^GRN_WRONG_ARGUMENTS: / })
})
