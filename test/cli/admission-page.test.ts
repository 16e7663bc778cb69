import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { greenroomRules } from '../../src/admission/rules/greenroom-rules.ts'
import { podSecurityChecks } from '../../src/admission/standards/pod-security-standards.ts'
import { checksTable, withChecks } from '../../src/cli/admission-page.ts'

const described = [...greenroomRules, ...podSecurityChecks]

void t.test('docs/admission.md holds the generated table', async (t) => {
  const page = readFileSync(new URL('../../docs/admission.md', import.meta.url), 'utf8')
  t.equal(page, withChecks(page), 'run: node src/cli/admission-page.ts')
})

void t.test('the commands of the page do what it says', async (t) => {
  const page = readFileSync(new URL('../../docs/admission.md', import.meta.url), 'utf8')
  const scripts = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, script]) => script ?? '')
  t.equal(scripts.length, 1)
  for (const script of scripts) {
    const { status, stdout } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: root,
      encoding: 'utf8',
    })
    t.equal(status, 0)
    t.match(stdout, /^Pod\/tool in ai-agents: changed \(agent type echo-agent, policy 1\)$/m)
    t.match(stdout, /automountServiceAccountToken +unset +false +service-account-token/)
  }
})

void t.test('every rule has one line of seven cells', async (t) => {
  const lines = checksTable().split('\n')
  for (const { rule } of described) {
    const own = lines.filter((line) => line.startsWith(`| \`${rule}\` |`))
    t.equal(own.length, 1, rule)
    t.equal(own[0]?.split(/(?<!\\)\|/).length, 9, `${rule}: a border at each side`)
  }
})

void t.test('what stands around the table is left alone; a page without markers is refused', async (t) => {
  const page = withChecks('before\n<!-- checks -->\nold\n<!-- /checks -->\nafter\n')
  t.match(page, /^before\n<!-- checks -->\n[^]*\n<!-- \/checks -->\nafter\n$/)
  t.notMatch(page, /\nold\n/)
  t.equal(withChecks(page), page)
  for (const broken of ['', '<!-- checks -->', '<!-- /checks --><!-- checks -->']) {
    t.throws(() => withChecks(broken), /put the two lines back/)
  }
})
