import t from 'tap'
import { createBootstrapKeys } from '../../src/http/bootstrap-keys.ts'

void t.test('each of several keys is one, and nothing else is', async (t) => {
  const isKey = createBootstrapKeys('first-key,second-key')
  for (const key of ['first-key', 'second-key'])
    t.match(isKey(key), { kind: 'bootstrap-key', scopes: new Set(['admin']) })
  for (const key of ['', 'first', 'first-key,second-key', ' first-key', 'FIRST-KEY', 'x'.repeat(100_000)])
    t.notOk(isKey(key), `"${key.slice(0, 30)}" of any length is compared, and is none`)
})
