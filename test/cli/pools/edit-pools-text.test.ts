import t from 'tap'
import { parse } from 'yaml'
import { editPoolsText } from '../../../src/cli/pools/edit-pools-text.ts'

const block = `pools:
  # The first.
  a:
    template: { image: "x:1" }
    min: 2 # enough
    max: "10"
  b: { template: { image: y }, min: 1, max: 2 }
`

void t.test('only what is changed is another letter', (t) => {
  t.equal(editPoolsText(block, 'a', { min: 5 }), block.replace('min: 2', 'min: 5'))
  t.equal(editPoolsText(block, 'a', { max: 7 }), block.replace('"10"', '7'))
  t.equal(editPoolsText(block, 'b', { min: 0, max: 9 }), block.replace('min: 1, max: 2', 'min: 0, max: 9'))
  t.end()
})

void t.test('a key that is not there is added, in the form of the pool', (t) => {
  for (const name of ['a', 'b']) {
    const frozen = editPoolsText(block, name, { frozen: true })
    t.match(parse(frozen ?? ''), { pools: { [name]: { frozen: true, template: {} } } })
    t.equal(
      editPoolsText(frozen ?? '', name, { frozen: false }),
      frozen?.replace('frozen: true', 'frozen: false'),
    )
  }
  t.match(editPoolsText(block, 'a', { frozen: true }), / {4}frozen: true\n {4}template:/)
  t.end()
})

void t.test('a pool that is not there, or a document that is none', (t) => {
  for (const text of [block, '', 'pools: [', 'pools: []', 'a: 1'])
    t.equal(editPoolsText(text, 'constructor', { min: 1 }), undefined, text)
  t.end()
})
