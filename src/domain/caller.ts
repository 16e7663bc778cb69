/** What a credential may be good for. `admin` includes everything else. */
export const scopes = ['sessions:open', 'sessions:read', 'sessions:end', 'pools:read', 'admin'] as const

export type Scope = (typeof scopes)[number]

/** Who makes a request, by the credential that let it in. Nothing of it is secret. */
export interface Caller {
  readonly kind: 'bootstrap-key' | 'api-key' | 'oidc' | 'service-account'
  /** For logs and the audit log: which key, or which subject of which issuer. */
  readonly id: string
  /** Only what belongs to this project is there for the caller; undefined: every project. */
  readonly projectId: string | undefined
  readonly scopes: ReadonlySet<Scope>
}

export function isGranted({ scopes: granted }: Pick<Caller, 'scopes'>, needed: Scope): boolean {
  return granted.has('admin') || granted.has(needed)
}
