import t from 'tap'
import { assignKeysFrom, noAssignKeys } from '../../../src/admission/policy/public-assign-keys.ts'

void t.test('ids in the order of the set, and the text as it is', async (t) => {
  const text = '{"keys":[{"kid":"b","x":"1"},{"kid":"a","x":"2"}]}'
  t.same(assignKeysFrom(text), { text, keyIds: ['b', 'a'] })
})

void t.test('a private key never gets into a pod, and nonsense counts as no keys', async (t) => {
  const others = ['', '{', 'null', '{"keys":{}}', '{"keys":[{}]}', '{"keys":[{"kid":"a,b"}]}']
  for (const text of [...others, '{"keys":[{"kid":"a","x":"1","d":"private"}]}']) {
    t.equal(assignKeysFrom(text), noAssignKeys, text)
  }
})
