import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { greenroomErrorOf } from '../../src/serving/greenroom-error-of.ts'

void t.test('anything that is thrown becomes an error of the catalogue', async (t) => {
  const own = new GreenroomError('GRN_POOL_EMPTY')
  t.equal(greenroomErrorOf(own), own)
  const fastify = (code: string, statusCode: number) =>
    Object.assign(new Error('a sentence'), { code, statusCode })
  const cases: readonly (readonly [unknown, string])[] = [
    [fastify('FST_ERR_CTP_INVALID_MEDIA_TYPE', 415), 'GRN_UNSUPPORTED_MEDIA_TYPE'],
    [fastify('FST_ERR_CTP_BODY_TOO_LARGE', 413), 'GRN_BODY_TOO_LARGE'],
    [fastify('FST_ERR_CTP_EMPTY_JSON_BODY', 400), 'GRN_BAD_JSON'],
    [fastify('FST_ERR_CTP_INVALID_JSON_BODY', 400), 'GRN_BAD_JSON'],
    [Object.assign(new SyntaxError('__proto__'), { statusCode: 400 }), 'GRN_BAD_JSON'],
    [fastify('FST_ERR_BAD_URL', 400), 'GRN_INVALID_REQUEST'],
    [fastify('ECONNREFUSED', 502), 'GRN_INTERNAL'],
    [new Error('password=hunter2'), 'GRN_INTERNAL'],
    [null, 'GRN_INTERNAL'],
    [undefined, 'GRN_INTERNAL'],
    ['text', 'GRN_INTERNAL'],
  ]
  for (const [thrown, code] of cases) {
    const error = greenroomErrorOf(thrown)
    t.equal(error.code, code, String(thrown))
    t.equal(error.cause, thrown, 'the log can show the cause')
    if (code === 'GRN_INTERNAL') t.notMatch(error.message, /hunter2|sentence/, 'the answer cannot')
  }
})
