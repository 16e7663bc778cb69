import { readFileSync } from 'node:fs'
import t from 'tap'
import { errorsPage } from '../src/cli/errors-page.ts'
import { type ErrorCode, errorCatalogue } from '../src/error-catalogue.ts'
import { GreenroomError } from '../src/errors.ts'

const entries = Object.entries(errorCatalogue)

void t.test('every code has a name, a status, a title and a way out', async (t) => {
  for (const [code, { status, title, remedy }] of entries) {
    t.match(code, /^GRN_[A-Z]+(_[A-Z]+)*$/)
    t.ok(status >= 400 && status <= 599, `${code}: ${status}`)
    t.match(title, /^[A-Z].*[^.]$/, `${code}: a title is a sentence without its full stop`)
    t.match(remedy, /^[A-Z].*\.$/, `${code}: a remedy ends with a full stop`)
    t.notMatch(title + remedy, /[|\n]/, `${code}: fits a table`)
  }
})

void t.test('no two errors say the same', async (t) => {
  const titles = entries.map(([, { title }]) => title)
  t.equal(new Set(titles).size, titles.length)
})

void t.test('docs/errors.md is the generated page', async (t) => {
  const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
  t.equal(page, errorsPage(), 'run: node src/cli/errors-page.ts > docs/errors.md')
  for (const [code] of entries) t.match(page, `\`${code}\``)
})

void t.test('an error carries its code, and its sentence if it has one', async (t) => {
  const cause = new Error('connection refused')
  const error = new GreenroomError('GRN_POOL_EMPTY', 'no free pod of echo-agent in 5 s', {
    cause,
    retryAfterMs: 1_200,
  })
  t.match(error, {
    name: 'GreenroomError',
    code: 'GRN_POOL_EMPTY',
    status: 503,
    message: 'no free pod of echo-agent in 5 s',
    retryAfterMs: 1_200,
    remedy: errorCatalogue.GRN_POOL_EMPTY.remedy,
  })
  t.equal(error.cause, cause)
  for (const [code, { title, status }] of entries) {
    const plain = new GreenroomError(code as ErrorCode)
    t.equal(plain.message, title)
    t.equal(plain.status, status)
    t.equal(plain.retryAfterMs, undefined)
  }
})
