import t from 'tap'
import { apiKey } from '../http/api-bed.ts'
import { startKeyApi } from '../http/key-bed.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { runProgram } from '../support/run-program.ts'

const api = await startKeyApi(t, {
  database: await startDatabase(t),
  redisUrl: (await startIndexServer(t)).url,
})
const url = await api.app.listen({ port: 0, host: '127.0.0.1' })
const run = (...args: string[]) =>
  runProgram('src/cli/greenroom.ts', ['keys', ...args], {
    env: { GREENROOM_API_URL: url, GREENROOM_API_KEY: apiKey },
  })

void t.test('a key is made, listed, rotated and revoked', async (t) => {
  const made = await run(
    'create',
    '--name',
    'shop',
    '--scope',
    'sessions:open',
    '--scope',
    'sessions:read',
    '--project',
    'a',
  )
  t.match(made, { code: 0, stdout: /^gr_[0-9a-z]{12}_[0-9A-Za-z]{43}\n$/, stderr: '' })
  const key = made.stdout.trim()
  t.equal(await api.status(key), 200)
  const [, id = ''] = key.split('_')
  const { stdout: listed } = await run('list', '--project', 'a')
  t.match(listed, new RegExp(`${id}  shop  a +sessions:open,sessions:read .* live\n`))
  t.notMatch(listed, key)
  const rotated = await run('rotate', id, '--keep-old', '0', '--json')
  const { key: second } = JSON.parse(rotated.stdout) as { key: string }
  t.same([await api.status(key), await api.status(second)], [401, 200])
  t.match(await run('revoke', id), { code: 0, stdout: `revoked ${id} (shop)\n` })
  t.equal(await api.status(second), 401)
  t.match(await run('list'), { stdout: /revoked 20/ })
})

void t.test('what cannot be done is said, with the way out', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['constructor'], /There are: list, create, rotate, revoke\./],
    [['create', '--name', 'x'], /create needs --name and --scope/],
    [['create', '--name', 'x', '--scope', 'root'], /--scope is one of sessions:open, .*, not "root"/],
    [['revoke'], /The ID is missing/],
    [['rotate', '0'.repeat(12), '--keep-old', 'long'], /--keep-old long is not a whole number/],
    [['list', 'this'], /"this" is too much/],
  ]
  for (const [args, message] of wrong) t.match(await run(...args), { code: 2, stdout: '', stderr: message })
  t.match(await run('revoke', '0'.repeat(12)), { code: 3, stderr: /GRN_KEY_NOT_FOUND: There is no key/ })
  t.match(await run('list', '--key', 'a-key-of-nobody-at-all'), { code: 5, stderr: /GRN_UNAUTHENTICATED/ })
})
