import type { JWTPayload } from 'jose'
import { type Caller, type Scope, scopes } from '../domain/caller.ts'
import { GreenroomError } from '../errors.ts'

/** What the tokens of one ServiceAccount are good for. */
export interface ServiceAccountGrant {
  /** undefined: every project. */
  readonly projectId: string | undefined
  readonly scopes: ReadonlySet<Scope>
}

/** Tokens must be asked for with this audience: one that was made for the API server is none for Greenroom. */
export const serviceAccountAudience = 'greenroom'

/** "shop/frontend=checkout sessions:open sessions:end,ops/console=* admin" by `NAMESPACE/NAME`; config.ts has checked the form. */
export function readServiceAccounts(text: string): ReadonlyMap<string, ServiceAccountGrant> {
  return new Map(
    (text === '' ? [] : text.split(',')).map((entry) => {
      const [account = '', grant = ''] = entry.split('=')
      const [project, ...names] = grant.split(' ')
      const granted = new Set(scopes.filter((scope) => names.includes(scope)))
      return [account, { projectId: project === '*' ? undefined : project, scopes: granted }]
    }),
  )
}

/** Who holds a genuine token of the cluster. */
export function serviceAccountCallerOf(grants: ReadonlyMap<string, ServiceAccountGrant>) {
  return ({ sub = '' }: JWTPayload): Caller => {
    const [, namespace = '', name = ''] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(sub) ?? []
    const grant = grants.get(`${namespace}/${name}`)
    if (!grant)
      throw new GreenroomError(
        'GRN_FORBIDDEN',
        'This ServiceAccount is not among GREENROOM_SERVICE_ACCOUNTS.',
      )
    return { kind: 'service-account', id: `${namespace}/${name}`, ...grant }
  }
}
