import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { judgeClock } from '../../../src/cli/doctor-checks/clock-skew.ts'
import { clockSynchronized } from '../../../src/cli/doctor-checks/clock-synchronized.ts'
import {
  absent,
  type DoctorCheck,
  type Finding,
  failed,
  ok,
} from '../../../src/cli/doctor-checks/doctor-check.ts'
import { createDoctorParts } from '../../../src/cli/doctor-checks/doctor-parts.ts'
import { judgeKubernetes } from '../../../src/cli/doctor-checks/kubernetes-version.ts'
import { judgeNode } from '../../../src/cli/doctor-checks/node-version.ts'
import { runChecks } from '../../../src/cli/doctor-checks/run-checks.ts'
import { doctorExitCode, doctorInWords, doctorReport } from '../../../src/cli/doctor-report.ts'
import { loadConfig } from '../../../src/config.ts'
import { look, statesOf } from '../../support/doctor-look.ts'

function checkOf(
  name: string,
  run: () => Promise<Finding>,
  when: DoctorCheck['when'] = 'always',
): DoctorCheck {
  return { name, title: name, when, part: 'machine', why: 'Because.', fix: 'kubectl version', run }
}

void t.test(
  'what is missing is skipped before an installation is claimed, and has failed after it',
  async (t) => {
    const checks = [
      checkOf('gone', async () => absent('It is not there.'), 'after'),
      checkOf('first', async () => ok('Fine.'), 'before'),
      checkOf('both', async () => ok('Fine.')),
    ]
    t.same(statesOf(await look(checks, { phase: 'before' })), { first: 'ok', both: 'ok' })
    t.same(statesOf(await look(checks, { phase: 'after' })), { gone: 'failed', both: 'ok' })
    const any = await look(checks, { phase: 'any' })
    t.same(statesOf(any), { gone: 'skipped', both: 'ok' })
    t.notHas(any.gone, 'fix', 'nothing is to be done')
  },
)

void t.test('a check that hangs, and one that throws, take nothing from the others', async (t) => {
  const never = Promise.withResolvers<Finding>()
  const config = loadConfig('doctor', {})
  const clocks = { epochMs: () => Date.now(), monotonicMs: () => performance.now() }
  const reports = await runChecks(
    [
      checkOf('hangs', () => never.promise),
      checkOf('throws', () => Promise.reject(new Error('postgres://u:hunter2@h/ said \u001b[31mno'))),
      checkOf('well', async () => ok('Fine.')),
    ],
    {
      phase: 'any',
      parts: createDoctorParts(config),
      context: { config, kubernetes: () => Promise.resolve(undefined), ...clocks },
      limitMs: 20,
    },
  )
  t.match(reports, [
    { name: 'hangs', state: 'failed', detail: 'machine gave no answer within 0.02 s.' },
    { name: 'throws', state: 'failed', detail: 'It could not be looked at: postgres://***@h/ said [31mno.' },
    { name: 'well', state: 'ok' },
  ])
})

void t.test('commands are for the namespace of this installation', async (t) => {
  const fix = 'kubectl -n ai-agents edit resourcequota ai-agents-quota'
  const check = checkOf('quota', async () => failed('Too small.', fix))
  t.match(await look([check]), { quota: { fix } })
  t.match(await look([check], { env: { GREENROOM_NAMESPACE: 'shop' } }), {
    quota: { fix: 'kubectl -n shop edit resourcequota ai-agents-quota' },
  })
})

void t.test('a part that is not configured is skipped with the name of its variable', async (t) => {
  const checks: DoctorCheck[] = (['kubernetes', 'postgresql', 'redis', 'livekit'] as const).map((part) => ({
    ...checkOf(part, async () => ok('Fine.')),
    part,
  }))
  const found = await look(checks, { env: { LIVEKIT_URL: 'ws://127.0.0.1:1', LIVEKIT_API_KEY: 'k' } })
  t.match(found, {
    kubernetes: { state: 'skipped', detail: 'KUBECONFIG is not set.' },
    postgresql: { state: 'skipped', detail: 'DATABASE_URL is not set.' },
    redis: { state: 'skipped', detail: 'REDIS_URL is not set.' },
    livekit: { state: 'skipped', detail: 'LIVEKIT_API_SECRET is not set.' },
  })
})

void t.test(
  'the time server: what timedatectl or chronyc says, and nothing where neither answers',
  async (t) => {
    const path = process.env.PATH
    t.teardown(() => {
      process.env.PATH = path
    })
    const says = (line: string) => `#!/bin/sh\nprintf '%s\\n' '${line}'\n`
    for (const [programs, state] of [
      [{ timedatectl: says('yes') }, 'ok'],
      [{ timedatectl: says('no') }, 'warning'],
      [{ chronyc: says('Leap status     : Normal') }, 'ok'],
      [{ chronyc: says('Leap status     : Not synchronised') }, 'warning'],
      [{}, 'skipped'],
    ] as const) {
      const folder = t.testdir(programs)
      for (const name of Object.keys(programs)) await chmod(join(folder, name), 0o755)
      process.env.PATH = folder
      t.match(statesOf(await look([clockSynchronized])), { 'clock-synchronized': state })
    }
  },
)

void t.test('versions and clocks', (t) => {
  for (const [version, state] of [
    ['v24.11.1', 'failed'],
    ['v24.12.0', 'ok'],
    ['v26.10.0', 'ok'],
  ] as const)
    t.equal(judgeNode(version).state, state, version)
  for (const [version, state] of [
    ['v1.29.9', 'failed'],
    ['v1.30.0+k3s1', 'ok'],
    ['v1.36.3', 'ok'],
    ['v1.37.0', 'warning'],
  ] as const)
    t.equal(judgeKubernetes(version).state, state, version)
  for (const [aheadMs, uncertainMs, state] of [
    [900, 0, 'ok'],
    [-3_000, 500, 'warning'],
    [11_000, 500, 'failed'],
    [11_000, 9_500, 'ok'],
  ] as const)
    t.equal(judgeClock('A clock', { epochMs: 0, aheadMs, uncertainMs }).state, state, String(aheadMs))
  t.end()
})

void t.test('the table fits a terminal of 40 columns, and lines that go to a file are whole', async (t) => {
  const words =
    'The certificate is valid for 27 days, until 2026-12-24T18:00:00.000Z, and no longer than that.'
  const found = await look([
    checkOf('webhook-certificate', async () =>
      failed(words, 'kubectl rollout restart deployment/agent-webhook'),
    ),
    checkOf('short', async () => ok('Fine.')),
  ])
  const report = doctorReport(undefined, Object.values(found))
  const narrow = doctorInWords(report, { columns: 40, invariants: false })
  t.ok(narrow.split('\n').every((line) => line.length <= 40))
  t.match(narrow, /^failed {3}webhook-certificate\n {2}The certificate is valid for 27 days,\n/)
  t.match(narrow, /\n {2}fix: kubectl rollout restart\n/)
  t.match(narrow, /\n2 checks: 1 ok, 1 failed\n$/)
  const whole = doctorInWords(report, { columns: undefined, invariants: false })
  t.match(whole.split('\n')[0], `failed   webhook-certificate  ${words}`)
  t.equal(doctorExitCode(report), 1)
  t.equal(doctorExitCode(doctorReport(undefined, [])), 0)
})
