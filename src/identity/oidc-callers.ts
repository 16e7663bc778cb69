import type { JWTPayload } from 'jose'
import { type Caller, type Scope, scopes } from '../domain/caller.ts'
import { GreenroomError } from '../errors.ts'
import type { PublishedKeys } from './key-set.ts'
import { readJson } from './read-json.ts'

/** An OpenID Connect issuer, and what its tokens are good for here. */
export interface OidcSettings {
  readonly issuer: string
  /** Where its keys are; undefined: its discovery document says so. */
  readonly jwksUrl: string | undefined
  /** Which claim names the project; undefined: every token is good for every project. */
  readonly projectClaim: string | undefined
  readonly scopesClaim: string
  /** Scopes by value of that claim; the names of scopes stand for themselves. */
  readonly scopesOf: ReadonlyMap<string, readonly Scope[]>
}

/** "staff=sessions:open sessions:read,ops=admin" by value of the scopes claim; throws for a scope that there is not. */
export function readScopeMap(text: string): ReadonlyMap<string, readonly Scope[]> {
  return new Map(
    (text === '' ? [] : text.split(',')).map((entry) => {
      const [value = '', names = ''] = entry.split('=')
      return [value, names.split(' ').map(scopeNamed)]
    }),
  )
}

function scopeNamed(name: string): Scope {
  const scope = scopes.find((one) => one === name)
  if (scope === undefined) throw new GreenroomError('GRN_INVALID_CONFIG', `There is no scope "${name}".`)
  return scope
}

export async function readOidcKeys(
  { issuer, jwksUrl }: OidcSettings,
  signal: AbortSignal,
): Promise<PublishedKeys> {
  return { issuer, keys: await readJson(jwksUrl ?? (await discoveredUrl(issuer, signal)), signal) }
}

async function discoveredUrl(issuer: string, signal: AbortSignal): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = (await readJson(address, signal)) as { issuer?: unknown; jwks_uri?: unknown } | null
  const url = document?.jwks_uri
  if (document?.issuer !== issuer || typeof url !== 'string')
    throw new Error(`${address} is not the discovery document of this issuer`)
  // Keys that come in the clear could be anybody's.
  if (issuer.startsWith('https:') && !url.startsWith('https:'))
    throw new Error(`${address} names keys without TLS`)
  return url
}

/** Who holds a genuine token of the issuer. A token without a project or a scope is good for nothing. */
export function oidcCallerOf(settings: OidcSettings) {
  const { projectClaim, scopesClaim, scopesOf } = settings
  return (claims: JWTPayload): Caller => {
    const granted = new Set(
      valuesOf(claims[scopesClaim]).flatMap((value) => scopesOf.get(value) ?? ownScope(value)),
    )
    if (granted.size === 0)
      throw new GreenroomError('GRN_FORBIDDEN', `The claim ${scopesClaim} of this token grants no scope.`)
    const projectId = projectClaim === undefined ? undefined : projectOf(claims[projectClaim], projectClaim)
    return { kind: 'oidc', id: `${claims.iss} ${claims.sub}`.slice(0, 300), projectId, scopes: granted }
  }
}

function ownScope(value: string): Scope[] {
  return scopes.filter((scope) => scope === value)
}

/** `scope` is one text with blanks; roles and groups are lists. */
function valuesOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim.filter((value) => typeof value === 'string') : []
}

/** As the body of an open may name it. */
function projectOf(claim: unknown, name: string): string {
  const isProject = typeof claim === 'string' && claim.length > 0 && claim.length <= 200
  if (isProject && claim.isWellFormed() && !claim.includes('\0')) return claim
  throw new GreenroomError('GRN_FORBIDDEN', `The claim ${name} of this token names no project.`)
}
