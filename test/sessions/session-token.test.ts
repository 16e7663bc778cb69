import fc from 'fast-check'
import t from 'tap'
import { createSessionTokens } from '../../src/sessions/session-token.ts'

const tokens = createSessionTokens('a secret of the session server')
const sessionId = '0198c0de-0000-7000-8000-000000000001'
const token = tokens.mint(sessionId, 3)

void t.test('a token says its session and epoch, and only its own', (t) => {
  t.match(token, /^grs_0198c0de-0000-7000-8000-000000000001_3_[\w-]{43}$/)
  t.same(tokens.verify(token), { sessionId, epoch: 3 })
  t.equal(token, tokens.mint(sessionId, 3), 'every replica mints and verifies the same')
  t.same(createSessionTokens('a secret of the session server').verify(token), { sessionId, epoch: 3 })
  t.equal(createSessionTokens('another secret, as long').verify(token), undefined)
  t.end()
})

void t.test('any round trip', (t) => {
  fc.assert(
    fc.property(fc.uuid(), fc.integer({ min: 1, max: 999_999_999 }), (id, epoch) => {
      const right = tokens.verify(tokens.mint(id, epoch))
      return right?.sessionId === id && right.epoch === epoch
    }),
  )
  t.end()
})

void t.test('any change of any character is refused', (t) => {
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
      const changed = token.slice(0, at) + character + token.slice(at + 1)
      return changed === token || tokens.verify(changed) === undefined
    }),
    { numRuns: 2_000 },
  )
  t.end()
})

void t.test('every other spelling of the same bytes is refused', (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const last of alphabet) {
    const spelling = token.slice(0, -1) + last
    if (spelling !== token) t.equal(tokens.verify(spelling), undefined, spelling.slice(-2))
  }
  t.end()
})

void t.test('what is not a token', (t) => {
  const code = token.slice(-43)
  const odd = ['', 'grs_', `grs__3_${code}`, `grs_${sessionId}_0_${code}`, `grs_${sessionId}_03_${code}`]
  for (const text of [...odd, ` ${token}`, `${token}\n`, `${token}A`, token.slice(0, -1)]) {
    t.equal(tokens.verify(text), undefined, JSON.stringify(text))
  }
  t.end()
})

void t.test('a short secret is refused, not quoted', (t) => {
  t.throws(() => createSessionTokens('short'), {
    code: 'GRN_INVALID_CONFIG',
    message: /shorter than 16 bytes/,
  })
  t.end()
})
