import t from 'tap'
import { editPool, type PoolEdit } from '../../src/domain/edit-pool.ts'
import { checkPools } from '../../src/domain/pool.ts'

const text = `# What we want of each pool.
pools:
  # The first one.
  echo-agent:   # of the tutorial
    # From the registry of the house.
    template: {image: "greenroom:0.1.0", command: ['node', "agent.ts"]}
    min: 2        # as sales asked
    max:   10


  "other":
      template:
          image: a
      max: 5
      min: 1
      frozen: true # until Monday
  flow: {template: {image: b}, min: 0, max: 1}
`

function edited(edit: PoolEdit, agentType = 'echo-agent', from = text): string {
  const found = editPool(from, agentType, edit)
  if (!found.ok) throw new Error(`${found.why}: ${found.problem}`)
  return found.text
}

void t.test('only the characters of a value change; comments, quotes and spaces stay', async (t) => {
  t.equal(edited({ min: 3 }), text.replace('min: 2 ', 'min: 3 '))
  t.equal(
    edited({ min: 3, max: 1_000 }),
    text.replace('min: 2 ', 'min: 3 ').replace('max:   10', 'max:   1000'),
  )
  t.equal(edited({ frozen: false }, 'other'), text.replace('frozen: true', 'frozen: false'))
  t.equal(edited({ max: 7 }, 'flow'), text.replace('min: 0, max: 1', 'min: 0, max: 7'))
  t.equal(edited({ min: 2, max: 10 }), text, 'what is so already changes nothing')
  t.equal(edited({ frozen: false }), text, 'neither does a default')
})

void t.test('a key that is not there becomes a line of its own, or the first of { }', async (t) => {
  t.equal(edited({ frozen: true }), text.replace('of the tutorial\n', 'of the tutorial\n    frozen: true\n'))
  t.equal(edited({ frozen: true }, 'flow'), text.replace('flow: {', 'flow: {frozen: true, '))
  const crlf = text.replaceAll('\n', '\r\n')
  t.match(checkPools(edited({ frozen: true, min: 0 }, 'echo-agent', crlf)), { ok: true })
})

void t.test('what was there before is told', async (t) => {
  t.match(editPool(text, 'other', { min: 2, frozen: false }), { before: { min: 1, frozen: true } })
})

void t.test('what it does not do', async (t) => {
  const refusal = (from: string, edit: PoolEdit, agentType = 'a') => editPool(from, agentType, edit)
  t.match(refusal('pools: [', { min: 1 }), { ok: false, why: 'invalid', problem: /not valid YAML: line 1/ })
  t.match(refusal('', { min: 1 }), { ok: false, why: 'invalid' })
  t.match(refusal(text, { min: 1 }, 'nobody'), { why: 'unknown' })
  for (const name of ['constructor', '__proto__', 'toString'])
    t.match(refusal(text, { min: 1 }, name), { why: 'unknown' })
  t.match(refusal(text, { min: 11 }, 'echo-agent'), {
    why: 'refused',
    problem: '/pools/echo-agent/min: 11 is more than max (10)',
  })
  t.match(refusal(text, { min: -1 }, 'echo-agent'), { why: 'refused', problem: /min/ })
  const alias = 'pools:\n  a: &a {template: {image: x}, min: 1, max: 2}\n  b: *a\n'
  t.match(refusal(alias, { min: 0 }, 'b'), { why: 'by-hand', problem: /alias/ })
  t.match(refusal(alias, { min: 0 }, 'a'), { why: 'by-hand' }, 'it would change b too')
  const shared =
    'pools:\n  a: {template: {image: x}, min: &n 1, max: 2}\n  b: {template: {image: x}, min: *n, max: 2}\n'
  t.match(refusal(shared, { min: 0 }, 'a'), { why: 'by-hand' })
  t.match(refusal(shared, { min: 0 }, 'b'), { why: 'by-hand' })
})

void t.test('whatever the document looks like, only what was meant is different', async (t) => {
  const pool = 'template: {image: x}, min: 1, max: 2'
  const forms = [
    `{"pools": {"a": {"template": {"image": "x"}, "min": 1, "max": 2}}}`,
    `pools: {a: {${pool}}}`,
    `pools:\n  a:\n    {${pool}}`,
    `pools:\n  ? a\n  : template: {image: x}\n    min: 1\n    max: 2\n`,
    `pools:\n  a: !!map\n    template: {image: x}\n    min: !!int "1"\n    max: 0x2\n`,
    `--- # one\npools:\n  a:\n    min: 1\n    max: 2\n    template:\n      image: x\n...\n`,
  ]
  for (const form of forms) {
    if (!checkPools(form).ok) continue
    for (const edit of [{ min: 0 }, { max: 9 }, { frozen: true }, { min: 2, max: 3, frozen: true }]) {
      const found = editPool(form, 'a', edit)
      if (!found.ok) t.equal(found.why, 'by-hand', form)
      else t.match(checkPools(found.text), { ok: true, value: { pools: { a: edit } } }, form)
    }
  }
})
