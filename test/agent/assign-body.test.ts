import fc from 'fast-check'
import t from 'tap'
import { Compile } from 'typebox/compile'
import {
  isAssignment,
  isConfirmQuestion,
  isEndOrder,
  readAssignment,
  readConfirmQuestion,
  readEndOrder,
} from '../../src/agent/assign-body.ts'
import { Assignment, ConfirmQuestion, EndOrder } from '../../src/domain/assignment.ts'
import { newAssignment } from './contract-fixture.ts'

const assignmentSchema = Compile(Assignment)
const endOrderSchema = Compile(EndOrder)
const questionSchema = Compile(ConfirmQuestion)
const question = { sessionId: 's', epoch: 1, seal: false }

const full = newAssignment({
  livekit: { url: 'ws://livekit', room: 'r', token: 'jwt', expiresAt: '2026-01-01T00:00:00.000Z' },
  metadata: { language: 'de', nested: { deep: [1] } },
  secrets: { KEY: 'value' },
  apiUrl: 'http://api',
})
const order = { sessionId: 's', epoch: 1, reason: 'ended:caller' }

const oddValue = fc.oneof(
  fc.constantFrom<unknown>(
    '',
    0,
    1,
    1.5,
    -1,
    null,
    true,
    [],
    {},
    ['x'],
    { a: 1 },
    { a: 'b' },
    Number.MAX_VALUE,
  ),
  fc.constantFrom<unknown>(
    { url: 'u', room: 'r', token: 't', expiresAt: 'e' },
    { url: 'u', room: 'r', token: 1 },
  ),
  fc.jsonValue(),
)

/** JSON that is nearly right: a valid document with some fields replaced or removed. */
function nearly(valid: object) {
  const keys = [...Object.keys(valid), 'surplus']
  return fc
    .tuple(
      fc.dictionary(fc.constantFrom(...keys), oddValue, { maxKeys: 2 }),
      fc.subarray(keys, { maxLength: 2 }),
    )
    .map(([changes, removed]) => {
      const document: Record<string, unknown> = { ...valid, ...changes }
      for (const key of removed) delete document[key]
      return JSON.parse(JSON.stringify(document)) as unknown
    })
}

void t.test('the checks agree with the schemas', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(nearly(full), fc.jsonValue()),
      (value) => isAssignment(value) === assignmentSchema.Check(value),
    ),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(
      fc.oneof(nearly(order), fc.jsonValue()),
      (value) => isEndOrder(value) === endOrderSchema.Check(value),
    ),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(
      fc.oneof(nearly(question), fc.jsonValue()),
      (value) => isConfirmQuestion(value) === questionSchema.Check(value),
    ),
    { numRuns: 2_000 },
  )
  t.ok(isAssignment(full) && isAssignment(newAssignment()), 'with and without the optional parts')
  t.ok(isEndOrder(order))
})

void t.test('a body is read or refused without being quoted', async (t) => {
  t.same(readAssignment(Buffer.from(JSON.stringify(full))), full)
  t.same(readEndOrder(Buffer.from(JSON.stringify(order))), order)
  t.same(readConfirmQuestion(Buffer.from(JSON.stringify(question))), question)
  t.throws(() => readConfirmQuestion(Buffer.from(JSON.stringify(order))), { code: 'AGENT_BAD_REQUEST' })
  t.throws(() => readAssignment(Buffer.from('{"secrets": sk-1')), {
    code: 'AGENT_BAD_JSON',
    detail: undefined,
  })
  t.throws(() => readAssignment(Buffer.from('{}')), { code: 'AGENT_BAD_REQUEST' })
  t.throws(
    () => readAssignment(Buffer.from(JSON.stringify(order))),
    { code: 'AGENT_BAD_REQUEST' },
    'an end order',
  )
  t.throws(
    () => readEndOrder(Buffer.from(JSON.stringify(full))),
    { code: 'AGENT_BAD_REQUEST' },
    'an assignment',
  )
})
