/** Who has signed in, as `GET /v1/whoami` says: it decides which actions are offered. The API judges each again. */
export interface SignedIn {
  readonly kind: string
  readonly id: string
  readonly projectId?: string | undefined
  readonly scopes: readonly string[]
}

export function mayEndSessions(who: SignedIn | undefined): boolean {
  return who !== undefined && (who.scopes.includes('admin') || who.scopes.includes('sessions:end'))
}

/** Pools belong to no project. */
export function maySteerPools(who: SignedIn | undefined): boolean {
  return who !== undefined && who.projectId === undefined && who.scopes.includes('admin')
}

const kinds: Readonly<Record<string, string>> = {
  'bootstrap-key': 'bootstrap key',
  'api-key': 'key',
  oidc: 'token of',
  'service-account': 'ServiceAccount',
}

export function signedInText({ kind, id, projectId, scopes }: SignedIn): string {
  const whose = projectId === undefined ? 'every project' : `project ${projectId}`
  return `${kinds[kind] ?? kind} ${id} · ${whose} · ${scopes.join(', ')}`
}
