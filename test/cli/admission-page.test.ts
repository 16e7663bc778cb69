import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { mutatePod } from '../../src/admission/mutate/mutate-pod.ts'
import type { Pod } from '../../src/admission/pod/pod.ts'
import { isShaped, standingOf } from '../../src/admission/policy/pod-class.ts'
import { greenroomRules } from '../../src/admission/rules/greenroom-rules.ts'
import { validatePod } from '../../src/admission/rules/validate-pod.ts'
import { podSecurityChecks } from '../../src/admission/standards/pod-security-standards.ts'
import { checksTable, withChecks } from '../../src/cli/admission-page.ts'
import { arbitraryPod } from '../admission/arbitrary-pod.ts'
import { context } from '../admission/pod-samples.ts'

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

void t.test('no check is forgotten: each in src/admission/checks is called and described', async (t) => {
  const folder = new URL('../../src/admission/checks/', import.meta.url)
  const judges = greenroomRules.flatMap((rule) => ('judge' in rule ? [rule.judge] : []))
  const listed = new Set<unknown>([...podSecurityChecks, ...judges])
  // Called by name, with what the review knows besides the pod.
  const apart = new Set(['checkLabelOwnership'])
  for (const file of readdirSync(folder)) {
    const exported = Object.entries((await import(new URL(file, folder).href)) as Record<string, unknown>)
    const checks = exported.filter(([name, value]) => name.startsWith('check') || hasStandard(value))
    t.equal(checks.length, 1, `${file}: one file, one check`)
    for (const [name, value] of checks)
      t.ok(listed.has(value) || apart.has(name), `${file}: ${name} is listed`)
  }
})

function hasStandard(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'standard' in value
}

const rulesOf = (pod: Pod): Set<string> =>
  new Set(validatePod(pod, 'ai-agents', context).map(({ rule }) => rule))

void t.test('the table names every rule, and what it says the webhook sets is set', async (t) => {
  const mutated = new Map(described.map((check) => [check.rule, check.mutated]))
  const seen = new Set<string>()
  const left = new Set<string>()
  for (const pod of fc.sample(arbitraryPod, 2_000)) {
    // Nothing is set on others.
    if (!isShaped(standingOf(pod, context.policy), pod)) continue
    for (const rule of rulesOf(pod)) seen.add(rule)
    for (const rule of rulesOf(mutatePod(pod, context))) {
      left.add(rule)
      if (mutated.get(rule) === 'yes') t.fail(`${rule} is violated in ${JSON.stringify(pod)}`)
    }
  }
  for (const rule of new Set([...seen, ...left])) {
    t.ok(mutated.has(rule), `${rule} is in the table`)
    // Now and then it goes with something else, as a bad volume does whose name is Greenroom's; never always.
    if (mutated.get(rule) === 'no') t.ok(left.has(rule), `${rule} is not set`)
  }
  t.ok(seen.size >= 15, `${seen.size} rules had something to say`)
})
