import t from 'tap'
import { exitCodeMeanings, exitCodeOf, refusalText } from '../../../src/cli/line/exit-code.ts'
import { GreenroomApiError } from '../../../src/client/client-error.ts'
import { type ErrorCode, errorCatalogue } from '../../../src/error-catalogue.ts'
import { GreenroomError } from '../../../src/errors.ts'

void t.test('every error of the catalogue has an exit code that is documented', (t) => {
  const codes = Object.keys(errorCatalogue) as ErrorCode[]
  const found = Map.groupBy(codes, (code) => exitCodeOf(new GreenroomError(code)))
  for (const code of found.keys()) t.ok(Object.hasOwn(exitCodeMeanings, code), `${code}`)
  t.same(
    [...found.keys()].toSorted((a, b) => a - b),
    [2, 3, 4, 5, 6],
  )
  t.same(found.get(4), ['GRN_POOL_EMPTY'])
  t.notOk(found.get(5)?.includes('GRN_INTERNAL'))
  t.end()
})

void t.test('an answer without a status is one that did not come', (t) => {
  t.equal(exitCodeOf(new GreenroomApiError('No answer.', { code: 'GRN_CLIENT_TIMEOUT' })), 6)
  t.equal(exitCodeOf(new GreenroomApiError('New.', { code: 'GRN_OF_TOMORROW', status: 409 })), 5)
  t.end()
})

void t.test('the remedy is said once, behind a whole sentence', (t) => {
  const facts = { code: 'GRN_SESSION_OVER', remediation: 'Open a new session.' }
  t.equal(
    refusalText(new GreenroomApiError('It is over', facts)),
    'GRN_SESSION_OVER: It is over. Open a new session.\n',
  )
  t.equal(
    refusalText(new GreenroomApiError('It is over. Open a new session.', facts)),
    'GRN_SESSION_OVER: It is over. Open a new session.\n',
  )
  t.end()
})
