import t from 'tap'
import { checkPools } from '../../src/domain/pool.ts'

const valid = { template: { image: 'a:1' }, min: 1, max: 2 }

/** JSON is YAML: the text of a document with one pool, `changes` applied. */
function onePool(changes: object, agentType = 'echo-agent'): string {
  return JSON.stringify({ pools: { [agentType]: { ...valid, ...changes } } })
}

function problemsOf(text: string): readonly string[] {
  const checked = checkPools(text)
  return checked.ok ? [] : checked.problems
}

void t.test('defaults are filled in', async (t) => {
  const checked = checkPools('pools:\n  echo-agent:\n    template: {image: "a:1"}\n    min: 1\n    max: 2\n')
  t.strictSame(checked, {
    ok: true,
    value: {
      pools: {
        'echo-agent': {
          template: { image: 'a:1' },
          min: 1,
          max: 2,
          onEmpty: 'wait',
          waitMs: 5_000,
          lease: { defaultSeconds: 60, minSeconds: 10, maxSeconds: 3_600 },
          maxSessionSeconds: 14_400,
          room: { joinSeconds: 10, onNotJoined: 'end', leftSeconds: 20 },
          refill: { inFlight: 20 },
          startDeadlineSeconds: 600,
          keepFailed: 0,
          rollout: { maxUnavailable: '10%', paused: false },
          coldStart: { max: 10, deadlineSeconds: 120 },
          yieldTo: 'nobody',
          frozen: false,
        },
      },
    },
  })
})

void t.test('no pool at all is a valid wish', async (t) => {
  t.strictSame(checkPools('pools: {}'), { ok: true, value: { pools: {} } })
})

void t.test('each mistake is named with its path', async (t) => {
  const table: [string, string, RegExp][] = [
    ['min above max', onePool({ min: 3 }), /^\/pools\/echo-agent\/min: 3 is more than max \(2\)$/],
    [
      'unknown key',
      onePool({ minimum: 3 }),
      /^\/pools\/echo-agent\/minimum: is not a known key; known: template, labels, annotations, min, max,/,
    ],
    ['resources belong to the policy', onePool({ resources: {} }), /resources: is not a known key/],
    ['negative min', onePool({ min: -1 }), /^\/pools\/echo-agent\/min: must be >= 0$/],
    ['half a pod', onePool({ max: 2.5 }), /^\/pools\/echo-agent\/max: must be integer$/],
    ['a number in words', onePool({ max: 'two' }), /^\/pools\/echo-agent\/max: must be integer$/],
    ['no image', onePool({ template: {} }), /^\/pools\/echo-agent\/template\/image: is missing$/],
    [
      'empty command',
      onePool({ template: { image: 'a:1', command: [] } }),
      /^\/pools\/echo-agent\/template\/command:/,
    ],
    ['unknown onEmpty', onePool({ onEmpty: 'panic' }), /onEmpty: must be one of "wait", "cold", "fail"$/],
    [
      'lease turned over',
      onePool({ lease: { minSeconds: 90, maxSeconds: 80 } }),
      /minSeconds: is more than maxSeconds/,
    ],
    ['default lease outside', onePool({ lease: { defaultSeconds: 5 } }), /defaultSeconds: must lie between/],
    [
      'a lease that nobody holds',
      onePool({ lease: { heldBy: 'nobody' } }),
      /^\/pools\/echo-agent\/lease\/heldBy: must be one of "caller", "agent", "both"$/,
    ],
    ['a refill that stands', onePool({ refill: { perSecond: 0 } }), /refill\/perSecond: must be >= 0.01$/],
    ['no time to start', onePool({ startDeadlineSeconds: 0 }), /startDeadlineSeconds: must be >= 1$/],
    ['a roll-out of nothing', onePool({ rollout: { maxUnavailable: '0%' } }), /rollout\/maxUnavailable/],
    [
      'a canary of fewer than none',
      onePool({ rollout: { canary: { pods: -1 } } }),
      /canary\/pods: must be >= 0$/,
    ],
    ['a museum', onePool({ keepFailed: 21 }), /keepFailed: must be <= 20$/],
    ['no room to refill', onePool({ refill: { inFlight: 0 } }), /refill\/inFlight: must be >= 1$/],
    [
      'our own environment',
      onePool({ template: { image: 'a:1', env: [{ name: 'GREENROOM_POD_UID', value: 'x' }] } }),
      /GREENROOM_POD_UID is set by Greenroom itself/,
    ],
    [
      'a type no pod name can carry',
      onePool({}, 'Echo_Agent'),
      /^\/pools\/Echo_Agent: must match pattern "\S+"$/,
    ],
    ['a type too long for generateName', onePool({}, 'a'.repeat(60)), /a{60}/],
    ['no pools key', '{}', /^\/pools: is missing$/],
    ['nothing', '', /./],
    ['a list', '[]', /./],
    ['not YAML', 'pools: {', /^not valid YAML: /],
  ]
  for (const [name, text, problem] of table) {
    const problems = problemsOf(text)
    t.ok(
      problems.some((each) => problem.test(each)),
      `${name}: ${JSON.stringify(problems)}`,
    )
  }
})

void t.test('all mistakes are told at once', async (t) => {
  const problems = problemsOf(
    JSON.stringify({ pools: { a: { ...valid, min: -1 }, b: { ...valid, max: -1, extra: true } } }),
  )
  t.equal(problems.length, 3, JSON.stringify(problems))
})

void t.test('sizing and schedule: what cannot be meant is refused with its place', async (t) => {
  const window = { cron: '0 8 * * MON-FRI', durationMinutes: 60, timeZone: 'Europe/Berlin', min: 2 }
  const schedule = (changes: object) => onePool({ schedule: [window, { ...window, ...changes }] })
  const at = '^/pools/echo-agent'
  const table: [string, string, string][] = [
    ['no rule', onePool({ sizing: {} }), `${at}/sizing: needs one of`],
    ['two rules', onePool({ sizing: { fixed: 1, buffer: { pods: 1 } } }), `${at}/sizing: takes one rule`],
    [
      'percent and pods',
      onePool({ sizing: { buffer: { pods: 1, percent: 1 } } }),
      `${at}/sizing/buffer: takes`,
    ],
    [
      'a rate of 0',
      onePool({ sizing: { hitRate: { target: 0 } } }),
      `${at}/sizing/hitRate/target: must be >= 0.5`,
    ],
    [
      'a rate of 1',
      onePool({ sizing: { hitRate: { target: 1 } } }),
      `${at}/sizing/hitRate/target: must be <=`,
    ],
    [
      'a rate in percent',
      onePool({ sizing: { hitRate: { target: 99.9 } } }),
      `${at}/sizing/hitRate/target: must be`,
    ],
    [
      'no number',
      onePool({ sizing: { hitRate: { target: 'NaN' } } }),
      `${at}/sizing/hitRate/target: must be number`,
    ],
    [
      'a budget below zero',
      onePool({ sizing: { hitRate: { target: 0.99, budget: { idlePodHoursPerDay: -1 } } } }),
      `${at}/sizing/hitRate/budget/idlePodHoursPerDay: must be`,
    ],
    [
      'an unknown mode',
      onePool({ sizing: { fixed: 1, mode: 'maybe' } }),
      `${at}/sizing/mode: must be one of`,
    ],
    ['each second', schedule({ cron: '* * * * * *' }), `${at}/schedule/1/cron: .*6 fields`],
    ['never', schedule({ cron: '0 0 31 2 *' }), `${at}/schedule/1/cron: .*never fires`],
    ['no such zone', schedule({ timeZone: 'Europe/Atlantis' }), `${at}/schedule/1/timeZone: there is no`],
    ['no time at all', schedule({ durationMinutes: 0 }), `${at}/schedule/1/durationMinutes: must be >= 1`],
    [
      'more than a week',
      schedule({ durationMinutes: 10_081 }),
      `${at}/schedule/1/durationMinutes: must be <= 10080`,
    ],
    ['more than max', schedule({ min: 3 }), `${at}/schedule/1/min: 3 is more than max \\(2\\)`],
    ['an unknown key', schedule({ target: 3 }), `${at}/schedule/1/target: is not a known key`],
    ['51 windows', onePool({ schedule: Array(51).fill(window) }), `${at}/schedule: `],
  ]
  for (const [name, text, expected] of table) t.match(problemsOf(text)[0], new RegExp(expected), name)
  const checked = checkPools(
    onePool({
      sizing: { hitRate: { target: 0.999 } },
      schedule: [{ cron: '@daily', durationMinutes: 9, min: 2 }],
    }),
  )
  t.match(checked, {
    ok: true,
    value: { pools: { 'echo-agent': { sizing: { mode: 'apply' }, schedule: [{ timeZone: 'UTC' }] } } },
  })
})
