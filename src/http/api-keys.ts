import { createHash, timingSafeEqual } from 'node:crypto'

/** Keeps hashes of the API keys only. Compares in constant time, and with every key each time. */
export function createApiKeys(list: string): (key: string) => boolean {
  const digests = list.split(',').map(digest)
  return (key) => {
    const given = digest(key)
    let known = false
    for (const one of digests) known = timingSafeEqual(one, given) || known
    return known
  }
}

/** The keys are long and random: a plain fast hash is enough. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
