import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { errorCatalogue } from '../../src/error-catalogue.ts'
import { createMetrics } from '../../src/metrics.ts'
import { codeBlocks } from '../support/code-blocks.ts'

/** docs/operate/: what the pages name is there, and what they promise to cover they cover. */

const folder = join(root, 'docs/operate')
const read = (path: string) => readFile(join(root, path), 'utf8')
const pages = await Promise.all(
  (await readdir(folder))
    .filter((name) => name.endsWith('.md'))
    .map(async (name) => ({ name, text: await read(`docs/operate/${name}`) })),
)
const pageOf = (name: string) => pages.find((page) => page.name === name)?.text ?? ''

/** As GitHub makes them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

void t.test('every link leads somewhere, and the index names every page', async (t) => {
  for (const { name, text } of pages) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? join(folder, name) : join(folder, path)
      t.ok(existsSync(file), `${name}: ${target}`)
      if (anchor && file.endsWith('.md') && existsSync(file))
        t.ok(anchorsOf(await readFile(file, 'utf8')).includes(anchor), `${name}: ${target}`)
    }
    for (const [path] of text.matchAll(/\b(test|manifests|scripts|src)\/[\w./-]+\.(ts|yaml|sh|md)\b/g))
      t.ok(existsSync(join(root, path)), `${name}: ${path}`)
    if (name !== 'README.md') t.match(pageOf('README.md'), `(${name})`)
  }
})

void t.test('every variable, error, metric and npm script that a page names exists', async (t) => {
  const known = [
    await read('src/config.ts'),
    await read('scripts/start-k8s.sh'),
    await read('scripts/k8s-secrets.sh'),
  ].join('\n')
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }
  const metrics = await createMetrics().registry.metrics()
  for (const { name, text } of pages) {
    for (const [variable] of text.matchAll(/\bGREENROOM_[A-Z_]+\b/g))
      t.ok(known.includes(variable), `${name}: ${variable}`)
    for (const [code] of text.matchAll(/\bGRN_[A-Z_]+\b/g))
      t.ok(Object.hasOwn(errorCatalogue, code), `${name}: ${code}`)
    for (const [metric] of text.matchAll(/\bgreenroom_(?!owner|server|migrations)[a-z_]+\b/g))
      t.ok(metrics.includes(metric), `${name}: ${metric}`)
    for (const [, script = ''] of text.matchAll(/\bnpm run (?:-s )?([\w:-]+)/g))
      t.ok(scripts[script], `${name}: npm run ${script}`)
  }
})

void t.test(
  'every shell block is shell, and every manifest label that it selects by is one of ours',
  async (t) => {
    for (const { name, text } of pages) {
      for (const block of codeBlocks(text, 'sh')) {
        t.doesNotThrow(
          () => execFileSync('bash', ['-n'], { input: block, stdio: ['pipe', 'ignore', 'pipe'] }),
          name,
        )
      }
    }
  },
)

void t.test('the rehearsed backup is the one of the page', async (t) => {
  const [backup, test] = [pageOf('backup.md'), await read('test/e2e/restore.test.ts')]
  for (const option of ['--format=custom', '--file', '--single-transaction', '--exit-on-error', '--dbname']) {
    t.ok(backup.includes(option), `the page: ${option}`)
    t.ok(test.includes(option), `the test: ${option}`)
  }
})

void t.test(
  'personal data: every table of the migrations is in the list, and none that is not',
  async (t) => {
    const files = (await readdir(join(root, 'src/stores/migrations'))).filter((name) => name.endsWith('.sql'))
    const sql = (await Promise.all(files.map((name) => read(`src/stores/migrations/${name}`)))).join('\n')
    const made = [...sql.matchAll(/^CREATE TABLE (\w+)/gm)].map(([, table = '']) => table)
    const [first = ''] = pageOf('personal-data.md').split('| elsewhere')
    const listed = [...first.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, table]) => table),
    )
    t.strictSame(new Set(listed), new Set([...made, 'greenroom_migrations']))
    t.match(await read('src/stores/postgres-migrate.ts'), "'greenroom_migrations'")
  },
)

/** The troubleshooting entries of the five source documents, by what a reader would look for. */
const symptoms = {
  '000 minikube': /minikube won't start/,
  '000 ImagePullBackOff': /ImagePullBackOff.*minikube docker-env/,
  '000 backend cannot create pods': /can't create agent pods.*get role,rolebinding/,
  '000 agent pod fails to start': /agent pod fails to start.*kubectl logs.*kubectl describe pod/,
  '000 migration fails': /migration fails.*kubectl exec -n ai-agents deployment\/session-management-server/,
  '001 quota': /quota.*describe resourcequota/,
  '001 affinity': /workload-type/,
  '002 container crashes': /container crashes on startup \(Station\)/,
  '002 database permission': /mkdir \/data: permission denied/,
  '002 API not accessible': /API not accessible.*STN_DEV_MODE/,
  '002 agent not updated': /agent is not updated after a deployment/,
  '003 startup': /`crash`, `config`, `deadline`/,
  '003 connectivity': /service connectivity.*curl -f/,
  '003 resources': /resource constraints.*\n.*Allocated resources.*kubectl top pods/,
  '003 configuration': /configuration issues/,
  '003 ephemeral containers': /kubectl debug/,
  '004 health': /svc\/sekha-controller 8080:80/,
  '004 database': /database connection issues.*postgres:16/,
} as const

void t.test('troubleshooting: every symptom of the source documents has a cause and a command', async (t) => {
  const page = pageOf('troubleshooting.md')
  for (const [symptom, pattern] of Object.entries(symptoms)) t.match(page, pattern, symptom)
  for (const line of page.split('\n').filter((row) => /^\| (?!symptom)/.test(row) && !row.startsWith('|---')))
    t.ok(
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .every((cell) => cell.trim() !== ''),
      line.slice(0, 60),
    )
})

void t.test('connections: the page counts what the code opens', async (t) => {
  const client = await read('src/stores/postgres-client.ts')
  const [max = 0, fresh = 0, reports = 0] = [/max = (\d+)\)/, /mostFresh = (\d+)/, /mostReports = (\d+)/].map(
    (pattern) => Number(pattern.exec(client)?.[1]),
  )
  const aRole = 2 * max + fresh + reports
  t.match(pageOf('postgresql.md'), `at most ${2 * aRole}`)
  t.match(pageOf('postgresql.md'), `${2 * aRole} × (replicas + 1`)
  t.match(pageOf('capacity.md'), `| ${3 * 2 * aRole} with a roll-out |`)
})
