import { assignPath } from '../../../domain/assign-contract.ts'
import { hmacToken, type TokenParts, tokenParts, unsignedToken } from '../contract-keys.ts'
import { type ContractRule, RuleBroken } from '../contract-rule.ts'
import { expectEcho, expectStatus } from '../expect.ts'
import type { Trial } from '../trial.ts'

/** A clock may be behind by this much and no more: a token that has been over for longer is refused. */
const longOverSeconds = 120

/** Which tokens are taken: one wrong thing at a time. */
export const tokenRules: readonly ContractRule[] = [
  refusal('no-token', 'refuses an assignment without a token', {
    fix: 'Answer 401 when there is no Authorization header with a bearer.',
    token: () => undefined,
  }),
  refusal('wrong-signature', 'refuses a signature by another key', {
    fix: 'Check the EdDSA signature over header.claims with the public key of the kid.',
    // It says the kid of a key that the agent knows.
    token: (trial, body) =>
      trial.token(body, withHeader({ kid: trial.run.keys.newest.kid }), trial.run.keys.unknown),
  }),
  refusal('unknown-key', 'refuses a key that it does not know', {
    fix: 'Look the kid up in GREENROOM_ASSIGN_KEYS, and answer 401 when it is not there. Never take a key from the token.',
    token: (trial, body) =>
      trial.token(body, withHeader({ jwk: trial.run.keys.unknown.publicJwk }), trial.run.keys.unknown),
  }),
  refusal('other-pod', 'refuses a token for another pod', {
    fix: 'Compare the claim aud with GREENROOM_POD_UID.',
    token: (trial, body) => trial.token(body, withClaims({ aud: '00000000-0000-4000-8000-000000000000' })),
  }),
  refusal('expired', 'refuses a token that is over', {
    fix: 'Compare the claim exp with the clock.',
    token: (trial, body) =>
      trial.token(body, withClaims({ exp: Math.floor(Date.now() / 1_000) - longOverSeconds })),
  }),
  refusal('no-expiry', 'refuses a token without an end', {
    fix: 'Require the claim exp.',
    token: (trial, body) => trial.token(body, withClaims({ exp: undefined })),
  }),
  refusal('body-hash', 'refuses a body that was not signed', {
    fix: 'Compare the claim bodyHash with base64url(SHA-256) of the bytes of the body, as they came.',
    token: (trial, body) => trial.token(body, withClaims({ bodyHash: hashOfAnother(trial) })),
  }),
  refusal('claims-and-body', 'refuses a token for another session or epoch than the body', {
    fix: 'Compare the claims sub and epoch with sessionId and epoch of the body.',
    token: (trial, body) => trial.token(body, withClaims({ epoch: 2 })),
  }),
  refusal('algorithm-none', 'refuses the algorithm "none"', {
    fix: 'Take the algorithm EdDSA and no other, whatever the header says.',
    token: (trial, body) => unsignedToken(tokenParts(trial.run.keys.newest.kid, trial.podUid, body)),
  }),
  refusal('algorithm-hmac', 'refuses HS256 with the public key as the secret', {
    fix: 'Take the algorithm EdDSA and no other: with HS256 the public key would be a secret that all know.',
    token: (trial, body) => {
      const { kid, publicJwk } = trial.run.keys.newest
      return hmacToken(tokenParts(kid, trial.podUid, body), Buffer.from(String(publicJwk.x), 'base64url'))
    },
  }),
  {
    rule: 'no-not-before',
    title: 'takes a token without nbf and iat',
    fix: 'Require aud, sub, exp, epoch and bodyHash alone: a pod whose clock is behind would refuse a fresh token.',
    on: 'own',
    async check(trial) {
      const assignment = trial.newAssignment()
      return expectEcho(await trial.assign(assignment), assignment, 'a token without nbf and iat')
    },
  },
  {
    rule: 'two-keys',
    title: 'knows all keys that it was given',
    fix: 'Read every key of GREENROOM_ASSIGN_KEYS: while a key is rotated the server signs with either.',
    on: 'own',
    async check(trial) {
      const { newest, older } = trial.run.keys
      const assignment = trial.newAssignment()
      const body = JSON.stringify(assignment)
      for (const [which, key] of [
        ['older', older],
        ['newest', newest],
      ] as const) {
        const token = trial.token(body, undefined, key)
        expectEcho(
          await trial.post(assignPath, body, { token }),
          assignment,
          `signed with the ${which} of two keys`,
        )
      }
      return 'took a token by each of two keys'
    },
  },
]

interface Refusal {
  readonly fix: string
  readonly token: (trial: Trial, body: string) => string | undefined
}

function refusal(rule: string, title: string, { fix, token }: Refusal): ContractRule {
  return {
    rule,
    title,
    fix,
    on: 'idle',
    async check(trial) {
      const body = JSON.stringify(trial.newAssignment())
      const answer = await trial.post(assignPath, body, { token: token(trial, body) })
      if (answer.status === 200) throw new RuleBroken('the assignment was taken (200), not refused with 401')
      return expectStatus(answer, 401, 'an assignment')
    },
  }
}

function withClaims(change: Readonly<Record<string, unknown>>) {
  return ({ header, claims }: TokenParts): TokenParts => ({ header, claims: { ...claims, ...change } })
}

function withHeader(change: Readonly<Record<string, unknown>>) {
  return ({ header, claims }: TokenParts): TokenParts => ({ header: { ...header, ...change }, claims })
}

function hashOfAnother(trial: Trial): unknown {
  return tokenParts('', trial.podUid, JSON.stringify(trial.newAssignment())).claims.bodyHash
}
