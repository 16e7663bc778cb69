import type { Config } from '../config.ts'
import { createKeySet } from '../identity/key-set.ts'
import { oidcCallerOf, readOidcKeys, readScopeMap } from '../identity/oidc-callers.ts'
import { claimedIssuer, createTokenCallers } from '../identity/token-callers.ts'
import type { Logger } from '../logging.ts'

type OidcConfig = Pick<Config<'api'>, keyof Config<'api'> & `GREENROOM_OIDC_${string}`>

/** Tokens of the configured issuer; undefined without one. `look` is to be called each second. */
export function createOidc(config: OidcConfig, logger: Logger) {
  const { GREENROOM_OIDC_ISSUER: issuer, GREENROOM_OIDC_AUDIENCE: audience } = config
  if (issuer === undefined || audience === undefined) return undefined
  const settings = {
    issuer,
    jwksUrl: config.GREENROOM_OIDC_JWKS_URL,
    projectClaim: config.GREENROOM_OIDC_PROJECT_CLAIM,
    scopesClaim: config.GREENROOM_OIDC_SCOPES_CLAIM,
    scopesOf: readScopeMap(config.GREENROOM_OIDC_SCOPES),
  }
  const keySet = createKeySet({
    read: (signal) => readOidcKeys(settings, signal),
    onError: (error) => logger.warn({ err: error, issuer }, 'keys of the issuer could not be read'),
    now: () => performance.now(),
  })
  const identify = createTokenCallers({
    keySet,
    audience,
    callerOf: oidcCallerOf(settings),
    clock: () => Date.now(),
  })
  return {
    /** undefined for a bearer that is no token of this issuer, or a bad one. */
    identify: (bearer: string) => (claimedIssuer(bearer) === issuer ? identify(bearer) : undefined),
    look: () => keySet.look(),
  }
}
