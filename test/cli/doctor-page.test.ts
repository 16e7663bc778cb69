import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { doctorChecks } from '../../src/cli/doctor-checks/doctor-checks.ts'
import { oldestNode } from '../../src/cli/doctor-checks/node-version.ts'
import { runProgram } from '../support/run-program.ts'

const { scripts, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
  engines: { node: string }
}

void t.test('docs/doctor.md has the checks as they are run', async (t) => {
  const { stdout } = await runProgram('src/cli/doctor-page.ts', [])
  t.equal(readFileSync(join(root, 'docs/doctor.md'), 'utf8'), stdout)
})

void t.test(
  'each check has a name of its own, one check of each part reaches it, and its fix is a command',
  async (t) => {
    t.equal(new Set(doctorChecks.map(({ name }) => name)).size, doctorChecks.length)
    for (const part of ['kubernetes', 'postgresql', 'redis', 'livekit']) {
      const reaching = doctorChecks.filter((check) => check.part === part && check.reaches)
      t.equal(reaching.length, 1, part)
      t.equal(reaching[0]?.when, 'always', part)
    }
    const programs = ['kubectl', 'psql', 'redis-cli', 'npm run', 'sudo timedatectl', 'npx --yes node@']
    for (const { name, fix, why, title } of doctorChecks) {
      t.ok(
        programs.some((program) => fix.startsWith(program)),
        `${name}: ${fix}`,
      )
      const script = /^npm run (\S+)/.exec(fix)?.[1]
      if (script) t.ok(Object.hasOwn(scripts, script), `${name}: ${fix}`)
      for (const [path] of fix.matchAll(/manifests\/\S+\.yaml/g)) t.ok(readFileSync(join(root, path)), path)
      t.match(why, /\.$/, name)
      t.notMatch(title, /\.$/, name)
    }
  },
)

void t.test('the oldest Node is that of package.json', async (t) => {
  t.equal(engines.node, `>=${oldestNode.join('.')}`)
})
