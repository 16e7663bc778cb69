import { spawnSync } from 'node:child_process'
import t from 'tap'

/** The logger writes to standard output, so it is looked at from outside. */
function linesOf(code: string, level = 'info'): Record<string, unknown>[] {
  const module = new URL('../src/logging.ts', import.meta.url).href
  const program = `import { createLogger } from ${JSON.stringify(module)}
    const logger = createLogger({ level: '${level}', role: 'api', instance: 'api-1' })
    ${code}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
  })
  if (stderr) throw new Error(stderr)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

void t.test('lines are JSON with role, instance and time', async (t) => {
  const [line, ...more] = linesOf(`logger.info({ port: 3000 }, 'listening'); logger.debug('not shown')`)
  t.match(line, {
    role: 'api',
    instance: 'api-1',
    port: 3000,
    msg: 'listening',
    time: /^\d{4}-\d\d-\d\dT.*Z$/,
  })
  t.same(more, [])
})

void t.test('credentials and secrets are removed wherever somebody logs them', async (t) => {
  const lines = linesOf(`
    const secret = 'sk-secret'
    logger.info({ secrets: { K: secret }, sessionToken: secret, token: secret, authorization: secret, kept: 1 }, 'a')
    logger.info({ req: { headers: { authorization: secret } }, headers: { authorization: secret }, kept: 1 }, 'b')
    logger.child({ body: { secrets: { K: secret } } }).info({ livekit: { token: secret }, kept: 1 }, 'c')
    logger.info({ answer: { livekit: { token: secret } }, assignment: { sessionToken: secret }, kept: 1 }, 'd')`)
  t.equal(lines.length, 4)
  for (const line of lines) {
    t.equal(line.kept, 1)
    t.notMatch(JSON.stringify(line), 'sk-secret', String(line.msg))
  }
})
