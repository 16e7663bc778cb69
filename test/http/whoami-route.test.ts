import t from 'tap'
import type { Caller } from '../../src/domain/caller.ts'
import { isProblem, startApi } from './api-bed.ts'

void t.test('a credential is told whose it is and what it is good for, whatever its scopes', async (t) => {
  const callers: Readonly<Record<string, Caller>> = {
    reader: {
      kind: 'api-key',
      id: '7hq2m4x9c1ab',
      projectId: 'checkout',
      scopes: new Set(['sessions:read']),
    },
    none: { kind: 'oidc', id: 'https://issuer.example ann', projectId: undefined, scopes: new Set() },
  }
  const api = await startApi(t, { identify: (bearer) => callers[bearer] })
  const ask = (bearer: string) => api.call('GET', '/v1/whoami', { headers: { authorization: bearer } })
  t.same((await ask('Bearer reader')).json(), {
    kind: 'api-key',
    id: '7hq2m4x9c1ab',
    projectId: 'checkout',
    scopes: ['sessions:read'],
  })
  t.same((await ask('Bearer none')).json(), { kind: 'oidc', id: 'https://issuer.example ann', scopes: [] })
  isProblem(t, await ask('Bearer unknown'), 'GRN_UNAUTHENTICATED', 401)
  isProblem(t, await ask('none'), 'GRN_UNAUTHENTICATED', 401)
})
