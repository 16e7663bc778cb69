import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import { greenroomRules } from '../../../src/admission/rules/greenroom-rules.ts'
import { podSecurityChecks } from '../../../src/admission/standards/pod-security-standards.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'
import { isShaped, mutated, violationsIn } from '../pod-creation.ts'

const rules = [...greenroomRules, ...podSecurityChecks]

async function rulesInFiles(room: string): Promise<Map<string, object[]>> {
  const folder = new URL(`../../../src/admission/${room}/`, import.meta.url)
  const found = new Map<string, object[]>()
  for (const file of readdirSync(folder)) {
    const exported: unknown[] = Object.values((await import(new URL(file, folder).href)) as object)
    const own = exported.filter((value) => typeof value === 'object' && value !== null && 'rule' in value)
    if (own.length > 0) found.set(file, own as object[])
  }
  return found
}

void t.test('no rule is declared twice', async (t) => {
  const names = rules.map(({ rule }) => rule)
  t.same(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
})

void t.test('one file, one rule, of one name; none is forgotten in the list', async (t) => {
  for (const [room, listed] of [
    ['rules', greenroomRules],
    ['standards', podSecurityChecks],
  ] as const) {
    const files = await rulesInFiles(room)
    for (const rule of listed) t.same(files.get(`${rule.rule}.ts`), [rule], `${room}/${rule.rule}.ts`)
    const others = [...files].filter(([file]) => !listed.some(({ rule }) => file === `${rule}.ts`))
    t.same(others, [], `rules in ${room}/ that no list has`)
  }
})

void t.test('a rule that a mode may relax is one that changes or denies nothing on its own', async (t) => {
  for (const { rule, mode, guardsGreenroom } of greenroomRules) {
    if (guardsGreenroom) t.equal(mode, 'always', rule)
  }
  // Rights over the cluster and the node are never relaxed.
  const always = greenroomRules.filter(({ mode }) => mode === 'always').map(({ rule }) => rule)
  for (const rule of [
    'secret-references',
    'service-account',
    'resources',
    'security-context',
    'injected-env',
  ]) {
    t.ok(always.includes(rule), rule)
  }
})

const rulesOf = (pod: Pod): Set<string> => new Set(violationsIn(pod).map(({ rule }) => rule))

void t.test('the list names every rule, and what it says the webhook sets is set', async (t) => {
  const isSet = new Map(rules.map((check) => [check.rule, check.mutated]))
  const seen = new Set<string>()
  const left = new Set<string>()
  for (const pod of fc.sample(arbitraryPod, 2_000)) {
    // Nothing is set on others.
    if (!isShaped(pod)) continue
    for (const rule of rulesOf(pod)) seen.add(rule)
    for (const rule of rulesOf(mutated(pod))) {
      left.add(rule)
      if (isSet.get(rule) === 'yes') t.fail(`${rule} is violated in ${JSON.stringify(pod)}`)
    }
  }
  for (const rule of new Set([...seen, ...left])) {
    t.ok(isSet.has(rule), `${rule} is in the list`)
    // Now and then it goes with something else, as a bad volume does whose name is Greenroom's; never always.
    if (isSet.get(rule) === 'no') t.ok(left.has(rule), `${rule} is not set`)
  }
  t.ok(seen.size >= 15, `${seen.size} rules had something to say`)
})
