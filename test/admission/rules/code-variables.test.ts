import fc from 'fast-check'
import t from 'tap'
import { effectiveRow } from '../../../src/admission/policy/effective-row.ts'
import { fitsPattern } from '../../../src/admission/policy/name-pattern.ts'
import { codeVariables, isCodeVariable } from '../../../src/admission/rules/code-variables.ts'
import { policy } from '../pod-samples.ts'

/** A row that gives no variable and no home. */
const found = effectiveRow('echo-agent', policy)
if (!found) throw new Error('the policy of the tests has this row')
const row = { ...found, env: [], writablePaths: [] }

const plain = new Set(['NODE_ENV', 'NODE_NAME', 'NODE_IP', 'UV_THREADPOOL_SIZE'])

void t.test('a name is a code variable if the list has it, or a beginning of it', async () => {
  const listed = fc.constantFrom(...codeVariables).map((name) => name.replace('*', ''))
  const part = fc.oneof(fc.constantFrom('_', 'X', '$', '\n', 'PATH'), fc.string({ maxLength: 4 }))
  const name = fc.oneof(
    listed,
    fc.tuple(listed, part).map(([beginning, ending]) => beginning + ending),
    fc.tuple(part, listed).map(([beginning, ending]) => beginning + ending),
    listed.map((one) => one.toLowerCase()),
    listed.map((one) => one.slice(0, -1)),
    fc.constantFrom(...plain),
  )
  fc.assert(
    fc.property(name, (one) => {
      const isListed = !plain.has(one) && codeVariables.some((pattern) => fitsPattern(one, pattern))
      return isCodeVariable({ name: one, value: 'x' }, row) === isListed
    }),
    { numRuns: 5_000 },
  )
})
