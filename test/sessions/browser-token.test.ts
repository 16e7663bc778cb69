import fc from 'fast-check'
import t from 'tap'
import { createBrowserTokens } from '../../src/sessions/browser-token.ts'
import { createSessionTokens } from '../../src/sessions/session-token.ts'

const secret = 'a secret of the session server'
const sessionId = '0198c0de-0000-7000-8000-000000000001'
let ms = 1_700_000_000_500
const tokens = createBrowserTokens(secret, () => ms)
const { token, expiresAt } = tokens.mint(sessionId, 60)

void t.test('a token is good for its session until it expires', (t) => {
  t.equal(expiresAt, 1_700_000_060_000)
  t.same(tokens.verify(token), { sessionId })
  t.same(createBrowserTokens(secret, () => ms).verify(token), { sessionId }, 'in every replica')
  ms = expiresAt - 1
  t.same(tokens.verify(token), { sessionId })
  ms = expiresAt
  t.equal(tokens.verify(token), undefined)
  ms = 1_700_000_000_500
  t.equal(tokens.mint(sessionId).expiresAt, 1_700_003_600_000, 'an hour unless told otherwise')
  t.equal(createBrowserTokens('another secret, as long', () => ms).verify(token), undefined)
  t.end()
})

void t.test('a change of any character is refused, a later expiry as well', (t) => {
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
      const changed = token.slice(0, at) + character + token.slice(at + 1)
      return changed === token || tokens.verify(changed) === undefined
    }),
    { numRuns: 2_000 },
  )
  t.equal(tokens.verify(token.replace('_1700000060_', '_1800000060_')), undefined)
  t.end()
})

void t.test('an agent is no browser, and a browser no agent', (t) => {
  const agents = createSessionTokens(secret)
  const ofAgent = agents.mint(sessionId, 3)
  for (const text of [ofAgent, ofAgent.replace('grs_', 'grb_'), '', 'grb_', `${token}\n`, ` ${token}`])
    t.equal(tokens.verify(text), undefined)
  t.equal(agents.verify(token), undefined)
  t.equal(agents.verify(token.replace('grb_', 'grs_')), undefined)
  t.end()
})
