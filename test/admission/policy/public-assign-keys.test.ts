import t from 'tap'
import {
  assignKeysFrom,
  checkAssignKeys,
  noAssignKeys,
} from '../../../src/admission/policy/public-assign-keys.ts'
import { kidsOf, publicSets, quotesPrivateKey } from '../../domain/key-set-table.ts'

void t.test('ids in the order of the set, and the text as it is', async (t) => {
  for (const [name, text] of Object.entries(publicSets.good))
    t.same(assignKeysFrom(text), { text, keyIds: kidsOf(text) }, name)
})

void t.test('a private key never gets into a pod, and nonsense counts as no keys', async (t) => {
  for (const [name, text] of Object.entries(publicSets.bad)) t.equal(assignKeysFrom(text), noAssignKeys, name)
})

void t.test('ids stay apart in the annotation that joins them by commas', async (t) => {
  for (const [name, text] of Object.entries(publicSets.good)) {
    const { keyIds } = assignKeysFrom(text)
    t.same(keyIds.join(',').split(','), keyIds, name)
  }
})

void t.test('a document that is not JSON is refused without being quoted', async (t) => {
  const text = publicSets.bad['a private key']?.slice(0, -3) ?? ''
  const checked = checkAssignKeys(text)
  t.match(checked, {
    ok: false,
    problems: ['keys.json: not valid JSON: a comma, a colon or a closing bracket is missing'],
  })
  t.notOk(quotesPrivateKey(JSON.stringify(checked)))
  const good = publicSets.good['two keys'] ?? ''
  t.same(checkAssignKeys(good), { ok: true, value: good })
})
