/** Every Redis key of a pool, with the pool as hash tag, so that one script's keys share a cluster slot. */
export function poolKeys(agentType: string) {
  const prefix = `greenroom:{${agentType}}`
  return {
    ready: `${prefix}:ready`,
    reservations: `${prefix}:reservations`,
    expiries: `${prefix}:expiries`,
    built: `${prefix}:built`,
    spent: `${prefix}:spent`,
    waiters: `${prefix}:waiters`,
    seen: `${prefix}:seen`,
    failures: `${prefix}:failures`,
    demand: `${prefix}:demand`,
    missed: `${prefix}:missed`,
    notice: `${prefix}:notice`,
  }
}

/** The keys of a project that has limits. Each is used alone. */
export function projectKeys(projectId: string) {
  const prefix = `greenroom:project:{${projectId}}`
  return { opens: `${prefix}:opens`, waiting: `${prefix}:waiting` }
}

/** Written by each replica to learn whether Redis takes writes. */
export const probeKey = 'greenroom:probe'

export const wakeChannel = 'greenroom:wake'
