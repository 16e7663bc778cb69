import { createHash, timingSafeEqual } from 'node:crypto'
import type { Caller } from '../domain/caller.ts'

/** The keys of GREENROOM_API_KEYS are good for everything in every project. */
const bootstrap: Caller = {
  kind: 'bootstrap-key',
  id: 'GREENROOM_API_KEYS',
  projectId: undefined,
  scopes: new Set(['admin']),
}

/** Keeps hashes of the keys in GREENROOM_API_KEYS only. Compares in constant time, and with every key each time. */
export function createBootstrapKeys(list: string): (key: string) => Caller | undefined {
  const digests = list.split(',').map(digest)
  return (key) => {
    const given = digest(key)
    let known = false
    for (const one of digests) known = timingSafeEqual(one, given) || known
    return known ? bootstrap : undefined
  }
}

/** The keys are long and random: a plain fast hash is enough. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
