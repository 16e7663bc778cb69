import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { startStubs } from './k8s-stubs.ts'

/** The Secrets that scripts/start-k8s.sh makes of .env and of its own, with stubs for every program that it runs. */

const noForward = ['--no-forward']

void t.test('secrets: in the cluster, in no argument and in no output', async (t) => {
  const stubs = await startStubs(t)
  const values = {
    OPENAI_API_KEY: 'sk-proj-"quoted" $HOME',
    LIVEKIT_URL: 'wss://livekit.example',
    LIVEKIT_API_KEY: 'lk-key-1234567',
    LIVEKIT_API_SECRET: 'lk-secret-7654321',
    POSTGRES_PASSWORD: 'pg-password-42',
    REDIS_PASSWORD: 'redis-password-43',
    GREENROOM_API_KEYS: 'api-key-of-sixteen-or-more',
  }
  await stubs.write(
    '.env',
    `# mine\n${Object.entries(values)
      .map(([name, value]) => `${name}=${value}\r\n`)
      .join('')}`,
  )
  const { code, output } = await stubs.run('start-k8s.sh', ...noForward)
  t.equal(code, 0, output)
  const [applied, calls] = [await stubs.read('applied'), await stubs.allCalls()]
  for (const [name, value] of Object.entries(values)) {
    const encoded = Buffer.from(value).toString('base64')
    t.match(applied, `${name}: ${encoded}\n`, name)
    if (name === 'LIVEKIT_URL') continue
    for (const text of [value, encoded]) {
      t.notOk(calls.includes(text), `${name} is in no argument`)
      t.notOk(output.includes(text), `${name} is not shown`)
    }
  }
  const url = `postgresql://app:${values.POSTGRES_PASSWORD}@postgres:5432/app`
  t.match(applied, `DATABASE_URL: ${Buffer.from(url).toString('base64')}\n`)
  const redis = `redis://:${values.REDIS_PASSWORD}@redis:6379`
  t.match(applied, `REDIS_URL: ${Buffer.from(redis).toString('base64')}\n`)
})

void t.test(
  'stores and LiveKit of the overlay get their Secrets, also where .env names others',
  async (t) => {
    for (const env of [
      '',
      'DATABASE_URL=postgres://db/app\nREDIS_URL=redis://cache\nLIVEKIT_URL=wss://x\nLIVEKIT_API_KEY=k\nLIVEKIT_API_SECRET=s\n',
    ]) {
      const stubs = await startStubs(t)
      await stubs.write('.env', env)
      const { code, output } = await stubs.run('start-k8s.sh', ...noForward)
      t.equal(code, 0, output)
      const secrets = secretsIn(await stubs.read('applied'))
      t.match(secrets.postgres, {
        POSTGRES_USER: 'app',
        POSTGRES_DB: 'app',
        POSTGRES_PASSWORD: /^[0-9a-f]{48}$/,
      })
      t.match(secrets.redis, { REDIS_PASSWORD: /^[0-9a-f]{48}$/ })
      t.match(secrets.livekit, { LIVEKIT_KEYS: /^greenroom: [0-9a-f]{48}$/ })
      const server = secrets['session-management-server']
      t.match(
        server,
        env === ''
          ? {
              REDIS_URL: `redis://:${secrets.redis?.['REDIS_PASSWORD']}@redis:6379`,
              LIVEKIT_API_KEY: 'greenroom',
              LIVEKIT_API_SECRET: secrets.livekit?.['LIVEKIT_KEYS']?.slice('greenroom: '.length),
              LIVEKIT_URL: 'ws://livekit:7880',
              GREENROOM_LIVEKIT_PUBLIC_URL: 'ws://localhost:7880',
            }
          : { DATABASE_URL: 'postgres://db/app', REDIS_URL: 'redis://cache', LIVEKIT_API_SECRET: 's' },
      )
    }
  },
)

/** Values of the Secrets that were applied, by name. */
function secretsIn(applied: string): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {}
  for (const [, name = '', lines = ''] of applied.matchAll(
    /kind: Secret\nmetadata: { name: ([\w-]+),[^\n]*\ntype: Opaque\ndata:\n((?: {2}.*\n)*)/g,
  )) {
    const entries = [...lines.matchAll(/^ {2}(\w+): (.*)$/gm)].map(
      ([, key = '', value = '']) => [key, Buffer.from(value, 'base64').toString()] as const,
    )
    found[name] = Object.fromEntries(entries)
  }
  return found
}

void t.test('.env: missing, unknown names, half a LiveKit; an overlay without stores', async (t) => {
  const stubs = await startStubs(t)
  for (const [text, message] of [
    ['OPENAI_KEY=x\n', /sets OPENAI_KEY, which nothing reads\./],
    ['LIVEKIT_URL=wss://x\n', /sets only LIVEKIT_URL of the three/],
    ['sk-proj-naked\n', /has a line without "="\./],
  ] as const) {
    await stubs.write('.env', text)
    const { code, output } = await stubs.run('start-k8s.sh', ...noForward)
    t.equal(code, 1)
    t.match(output, message)
    t.notMatch(output, /naked/)
  }
  t.match(
    (await stubs.run('start-k8s.sh', '--env', '/absent')).output,
    /no file \/absent\.\n {2}Next: cp \.env\.example \.env/,
  )
  await stubs.write('.env', '')
  await stubs.write('rendered', '')
  t.match(
    (await stubs.run('start-k8s.sh', ...noForward)).output,
    /brings no PostgreSQL\.\n {2}Next: set DATABASE_URL/,
  )
})

void t.test('.env.example has exactly the names that the script reads, and Git ignores .env', async (t) => {
  const stubs = await startStubs(t)
  const example = await readFile(join(root, '.env.example'), 'utf8')
  await stubs.write('.env', example)
  t.equal((await stubs.run('start-k8s.sh', ...noForward)).code, 0)
  t.match(await readFile(join(root, '.gitignore'), 'utf8'), /^\.env$/m)
})
