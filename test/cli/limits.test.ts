import t from 'tap'
import { apiKey, startApi } from '../http/api-bed.ts'
import { runProgram } from '../support/run-program.ts'

const { app } = await startApi(t)
const url = await app.listen({ port: 0, host: '127.0.0.1' })
const env = { GREENROOM_API_URL: url, GREENROOM_API_KEY: apiKey }
const run = (...args: string[]) => runProgram('src/cli/greenroom.ts', ['limits', ...args], { env })

void t.test('set, get, list and remove', async (t) => {
  t.match(await run('list'), { code: 0, stdout: '', stderr: 'No project has limits.\n' })
  t.match(await run('set', 'tea', '--sessions', '9', '--opens-per-minute', '600'), {
    code: 0,
    stdout: 'PROJECT  SESSIONS  OPENS/MIN  WAITING\ntea      7 of 9    600        -\n',
  })
  t.match(await run('set', 'a b/c', '--waiting', '0'), { code: 0 })
  t.match(await run('list'), {
    code: 0,
    stdout:
      'PROJECT  SESSIONS  OPENS/MIN  WAITING\na b/c    -         -          0\ntea      7 of 9    600        -\n',
  })
  const { stdout } = await run('get', 'tea', '--json')
  t.match(JSON.parse(stdout), [{ projectId: 'tea', limits: { maxSessions: 9, opensPerMinute: 600 } }])
  t.match(await run('remove', 'tea'), { code: 0, stdout: /^tea +- +- +-$/m })
})

void t.test('wrong arguments and refusals are told, and nothing is changed', async (t) => {
  for (const [args, told] of [
    [['set'], /PROJECT is missing/],
    [['set', 'tea'], /Name a limit/],
    [['set', 'tea', '--sessions', '-1'], /argument/],
    [['set', 'tea', '--sessions', '1.5'], /not a whole number/],
    [['get', 'tea', '--waiting', '1'], /Unknown option '--waiting'/],
    [['list', 'tea'], /is too much/],
    [['set', 'tea', '--opens-per-minute', '0'], /GRN_INVALID_REQUEST/],
    [['get', 'x'.repeat(201)], /GRN_INVALID_REQUEST/],
  ] as const) {
    const { code, stderr } = await run(...args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, told)
  }
  t.match(await run('list', '--key', 'a-key-that-nobody-has'), { code: 5, stderr: /^GRN_UNAUTHENTICATED/ })
})
