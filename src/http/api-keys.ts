import { createHash, timingSafeEqual } from 'node:crypto'

/** The API keys, hashed: the plain ones are not kept. Compared in constant time, and all of them each time. */
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
