import t from 'tap'
import { thinProblems, thinRequest } from '../../../src/admission/policy/thin-requests.ts'

const resources = { requests: { cpu: '250m', memory: '512Mi' }, limits: { cpu: '1', memory: '2Gi' } }
const at = '/agentTypes/a/thin'

void t.test('what an idle pod requests', async (t) => {
  t.equal(thinRequest('cpu', resources, { cpu: '25m' }), '25m')
  t.equal(thinRequest('memory', resources, { cpu: '25m' }), '512Mi', 'what is not named stays')
  t.equal(thinRequest('cpu', resources, { fraction: 0.1 }), '25m')
  t.equal(thinRequest('cpu', resources, { fraction: 0.333 }), '84m', 'rounded up to a millicore')
  t.equal(thinRequest('memory', resources, { fraction: 0.5 }), String(256 * 1024 ** 2))
  t.equal(thinRequest('cpu', resources, { fraction: 0.000001 }), '1m')
})

void t.test('what no row may say', async (t) => {
  const problems = (thin: Parameters<typeof thinProblems>[1], of = resources) => thinProblems(at, thin, of)
  t.same(problems(undefined), [])
  t.same(problems({ cpu: '25m', memory: '128Mi' }), [])
  t.same(problems({ fraction: 0.1 }), [])
  t.match(problems({ fraction: 0.1, cpu: '25m' }), [/thin: gives fraction and quantities/])
  t.match(problems({ cpu: '300m' }), [/thin\/cpu: 300m is more than the request 250m/])
  t.match(problems({ cpu: 'much' }), [/thin\/cpu: much is not a quantity/])
  t.match(problems({ cpu: '0' }), [/thin\/cpu: must be more than 0/])
  t.match(problems({ cpu: '250m', memory: '512Mi' }), [/thin: is what the row requests anyway/])
  const guaranteed = { requests: resources.requests, limits: resources.requests }
  t.match(problems({ fraction: 0.1 }, guaranteed), [/changes the quality of service/])
})
