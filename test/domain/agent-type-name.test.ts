import t from 'tap'
import { parse } from 'yaml'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'
import { agentTypePattern, longestAgentTypeAsked } from '../../src/domain/agent-type-name.ts'
import { checkPools } from '../../src/domain/pool.ts'
import { policyTextOf } from '../admission/pod-samples.ts'

const good = ['a', '7', 'echo-agent', 'a--b', '0-9', 'x'.repeat(42)]
const bad = ['', '-', '-a', 'a-', 'Echo-Agent', 'a.b', 'a_b', 'a b', 'a/b', 'a\n', 'ä', 'x'.repeat(43)]

const poolNamed = (name: string) =>
  checkPools(JSON.stringify({ pools: { [name]: { template: { image: 'echo' }, min: 1, max: 2 } } })).ok

interface PolicyText {
  readonly agentTypes: Record<string, object>
}
const policy = parse(policyTextOf('base/agent-policy.yaml')) as PolicyText
const rowNamed = (name: string) =>
  checkPolicy(
    JSON.stringify({ ...policy, agentTypes: { ...policy.agentTypes, [name]: policy.agentTypes.default } }),
  )

void t.test('pools and rows of the policy agree about the names of agent types', async (t) => {
  for (const name of good) {
    t.ok(poolNamed(name), `pool ${name}`)
    t.match(rowNamed(name), { ok: true }, `row ${name}`)
  }
  for (const name of bad) {
    t.notOk(poolNamed(name), `pool ${JSON.stringify(name)}`)
    t.match(rowNamed(name), { ok: false }, `row ${JSON.stringify(name)}`)
  }
})

void t.test('a name is a label value, and what a caller may ask for holds every name', async (t) => {
  const form = new RegExp(agentTypePattern)
  for (const name of good) {
    t.match(name, form)
    t.ok(name.length <= longestAgentTypeAsked)
  }
})
