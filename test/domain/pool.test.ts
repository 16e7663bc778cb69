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
          refill: { inFlight: 20 },
          coldStart: { max: 10, deadlineSeconds: 120 },
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
      /^\/pools\/echo-agent\/minimum: is not a known key; known: template, min, max,/,
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
