import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../bed/repository.ts'

/** What can be held of the image without building it. `npm run e2e` builds it and looks inside. */

const text = readFileSync(join(root, 'Dockerfile'), 'utf8')
/** One a line, without comments. */
const instructions = text
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter(Boolean)
const argumentsOf = (name: string): string[] =>
  instructions.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))

/** The stages that are there to make something, and the last one, which is the image. */
const lastStage = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')))

void t.test('one base for all stages, named by a digest that has no default', async (t) => {
  const stages = argumentsOf('FROM').map((stage) => stage.split(' AS '))
  const names = new Set(stages.map(([, name]) => name))
  const bases = stages.map(([base = '']) => base).filter((base) => !names.has(base))
  t.same(bases, [`node:26-bookworm-slim@\${NODE_DIGEST}`])
  t.match(text, /^ARG NODE_DIGEST$/m, 'a digest of yesterday would hide that nobody looked')
})

void t.test('only production dependencies, of the lock file, whose scripts do not run', async (t) => {
  const installs = [...text.matchAll(/npm (?:ci|i|install|add)\b[^&;\\]*/g)].map(([install]) => install)
  t.ok(installs.length > 0)
  for (const install of installs) {
    t.match(install, /^npm ci /)
    t.match(install, '--omit=dev')
    t.match(install, '--ignore-scripts')
  }
})

void t.test('the last stage downloads nothing and ends as uid 1000 with Node as process 1', async (t) => {
  t.same(
    lastStage.filter((line) => /^(RUN|ADD|SHELL) /.test(line)),
    [],
  )
  t.equal(
    lastStage.filter((line) => line.startsWith('USER ')).at(-1),
    'USER 1000',
    'a number for runAsNonRoot',
  )
  const [entryPoint = ''] = lastStage.filter((line) => line.startsWith('ENTRYPOINT '))
  t.match(
    JSON.parse(entryPoint.slice('ENTRYPOINT '.length)) as string[],
    ['node', /^--/, 'src/main.ts'],
    'no shell',
  )
})

void t.test('labels say what it is and where it comes from', async (t) => {
  const [labels = ''] = argumentsOf('LABEL')
  for (const name of ['title', 'licenses', 'source', 'revision', 'version', 'base.name', 'base.digest'])
    t.match(labels, `org.opencontainers.image.${name}=`)
})

void t.test('no argument or variable is a secret: both stay in the image', async (t) => {
  const names = [...argumentsOf('ARG'), ...argumentsOf('ENV').flatMap((line) => line.split(' '))]
  t.same(
    names.filter((name) => /secret|token|password|_key|credential/i.test(name)),
    [],
  )
})

void t.test('the build context is what the Dockerfile copies, and nothing else', async (t) => {
  const ignore = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n')
  const patterns = ignore.filter((line) => line !== '' && !line.startsWith('#'))
  t.equal(patterns[0], '*', 'what is not named stays out: .env, keys, tests')
  t.ok(patterns.slice(1).every((pattern) => pattern.startsWith('!')))
  const copied = argumentsOf('COPY')
    .filter((line) => !line.startsWith('--from='))
    .flatMap((line) => line.split(' ').slice(0, -1))
  t.same(
    patterns
      .slice(1)
      .map((pattern) => pattern.slice(1))
      .toSorted(),
    [...new Set(copied)].toSorted(),
  )
})

void t.test('no file that goes into the image looks like a key or an environment', async (t) => {
  const files = globSync('src/**/*', { cwd: root })
  t.ok(files.length > 100)
  t.same(
    files.filter((path) => /\.(pem|key|crt|p12|env|log)$|\/\.|\.test\.ts$/.test(path)),
    [],
  )
})
