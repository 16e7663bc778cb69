import t from 'tap'
import { Compile } from 'typebox/compile'
import { containersOf, Pod } from '../../../src/admission/pod/pod.ts'
import type { BarePod } from '../../../src/admission/standards/pod-security-check.ts'
import {
  isPodSecurityVersion,
  newestMinor,
  podSecurityChecks,
  podSecurityViolations,
  restrictedViolations,
} from '../../../src/admission/standards/pod-security-standards.ts'
import { readPodSecurityFixtures } from './pod-security-fixtures.ts'

const { pods, cases } = readPodSecurityFixtures()
const validator = Compile(Pod)

/** Decoded by the very schema through which reviews come. */
const bare = pods.map((pod, index): BarePod => {
  if (!validator.Check(pod)) throw new Error(`fixture ${index}: ${JSON.stringify(validator.Errors(pod))}`)
  return { pod, containers: containersOf(pod) }
})
const bareOf = (pod: Pod): BarePod => ({ pod, containers: containersOf(pod) })
const rulesOf = (pod: Pod, version = 'latest'): string[] =>
  restrictedViolations(bareOf(pod), version).map(({ rule }) => rule)

void t.test("Kubernetes' own fixtures: every pod of every version passes or fails as it must", async (t) => {
  const wrong = cases.filter(({ standard, release, verdict, pod }) => {
    const judged = bare[pod]
    if (!judged) throw new Error(`no pod ${pod}`)
    const passes = podSecurityViolations(judged, standard, release).length === 0
    return passes !== (verdict === 'pass')
  })
  t.same(wrong, [])
  t.equal(cases.length, 4_537)
  t.same(
    new Set(cases.map(({ release }) => release)),
    new Set(Array.from({ length: newestMinor + 1 }, (_, minor) => `v1.${minor}`)),
    'the fixtures and the checks know the same releases',
  )
})

void t.test('a pod that must fail fails by the check it was written for', async (t) => {
  const failing = cases.filter(({ verdict }) => verdict === 'fail')
  for (const { standard, release, name, pod } of failing) {
    const violations = podSecurityViolations(bare[pod] as BarePod, standard, release)
    const upstream = name.replace(/\d+$/, '')
    const files = violations.map(
      ({ rule }) => podSecurityChecks.find((check) => check.rule === rule)?.reference,
    )
    const fits = files.some((file) => sameCheck(file ?? '', upstream))
    if (!fits) t.fail(`${standard} ${release} ${name}: ${files.join(', ')}`)
  }
})

/** `check_seccompProfile_restricted.go` is meant by `seccompprofile_restricted` and, where it overrides it, `seccompprofile_baseline`. */
function sameCheck(file: string, upstream: string): boolean {
  const plain = (text: string): string =>
    text.toLowerCase().replace(/^check_|\.go$|_baseline|_restricted/g, '')
  const same = new Map([['hostpathvolumes', 'restrictedvolumes']])
  return plain(file) === upstream.replace(/_baseline|_restricted/, '') || plain(file) === same.get(upstream)
}

void t.test('every violation says where, what is there, what may be there and the way out', async (t) => {
  for (const { standard, release, pod } of cases) {
    for (const violation of podSecurityViolations(bare[pod] as BarePod, standard, release)) {
      const { path, found, allowed, fix, code, rule } = violation
      if (!/^(spec|metadata)\.[a-zA-Z]+[.[]?/.test(path)) t.fail(`path ${path}`)
      if (found === '' || found === allowed) t.fail(`${rule}: found ${found}`)
      if (!/^[A-Z].*\.$/.test(fix) || allowed === '') t.fail(`${rule}: ${fix} ${allowed}`)
      if (code !== 'GRN_POLICY_VIOLATION') t.fail(code)
    }
  }
})

void t.test('rules, titles and versions are in order', async (t) => {
  const rules = podSecurityChecks.map(({ rule }) => rule)
  t.equal(new Set(rules).size, rules.length, 'one rule, one check')
  for (const { rule, versions, standard, overrides } of podSecurityChecks) {
    const since = versions.map((version) => version.since)
    t.same(
      since,
      [...new Set(since)].toSorted((a, b) => a - b),
      `${rule}: rising`,
    )
    t.ok(since.every((minor) => minor <= newestMinor))
    if (overrides) t.equal(`${standard} over ${overrides.standard}`, 'restricted over baseline')
  }
})

void t.test('versions: latest is the newest, and an unknown one counts as the newest', async (t) => {
  for (const version of ['latest', 'v1.0', 'v1.9', `v1.${newestMinor}`])
    t.ok(isPodSecurityVersion(version), version)
  for (const version of ['', 'v1', 'v1.01', `v1.${newestMinor + 1}`, 'v2.0', 'constructor', 'Latest'])
    t.notOk(isPodSecurityVersion(version), version)
  const pod: Pod = { spec: { containers: [{ name: 'a' }] } }
  t.same(rulesOf(pod, 'v1.99'), rulesOf(pod, 'latest'))
  t.same(rulesOf(pod, `v1.${newestMinor}`), rulesOf(pod, 'latest'))
  t.same(rulesOf(pod, 'v1.0'), ['run-as-non-root'])
})

void t.test('a few that no fixture of Kubernetes has', async (t) => {
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
  const podSecurity = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }
  const good = { containers: [{ name: 'a', securityContext: security }], securityContext: podSecurity }
  t.same(rulesOf({ spec: good }), [])
  const profile = { spec: { ...good, securityContext: { ...podSecurity, seccompProfile: {} } } }
  t.same(rulesOf(profile), ['seccomp', 'seccomp'], 'a profile without a type is none')
  const bad = { ...security, capabilities: { drop: ['all'], add: ['CAP_NET_BIND_SERVICE'] } }
  const debug = { spec: { ...good, ephemeralContainers: [{ name: 'd', securityContext: bad }] } }
  t.same(rulesOf(debug), ['capabilities-drop', 'capabilities-add'], 'letter by letter, debug containers too')
  t.match(restrictedViolations(bareOf(debug), 'latest'), [
    { path: 'spec.ephemeralContainers[0].securityContext.capabilities.drop', found: '["all"]' },
    { path: 'spec.ephemeralContainers[0].securityContext.capabilities.add' },
  ])
  const running = { ...security, runAsNonRoot: true }
  const undone = { ...good, containers: [{ name: 'a', securityContext: running }] }
  t.match(
    restrictedViolations(
      bareOf({ spec: { ...undone, securityContext: { ...podSecurity, runAsNonRoot: false } } }),
      'latest',
    ),
    [{ rule: 'run-as-non-root', path: 'spec.securityContext.runAsNonRoot' }],
    'false on the pod is refused, though every container says true',
  )
  const engine: Pod = {
    spec: { ...good, securityContext: { ...podSecurity, seLinuxOptions: { type: 'container_engine_t' } } },
  }
  t.same([rulesOf(engine, 'v1.30'), rulesOf(engine, 'v1.31')], [['selinux'], []])
  const volumes = (...list: object[]): Pod => ({ spec: { ...good, volumes: list as never } })
  t.same(rulesOf(volumes({ name: 'v' }, { name: 'w', hostPath: null })), [], 'of no kind: an emptyDir')
  t.same(rulesOf(volumes({ name: 'v', image: { reference: 'x:1' } }), 'v1.0'), [])
  t.same(rulesOf(volumes({ name: 'v', ofTomorrow: {} })), ['volume-kinds'])
  const [hostPath] = restrictedViolations(bareOf(volumes({ name: 'v', hostPath: { path: '/' } })), 'latest')
  t.match(hostPath, { rule: 'volume-kinds', path: 'spec.volumes[0].hostPath', found: 'set' })
})
