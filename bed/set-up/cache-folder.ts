import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the bed keeps on this machine from one run to the next; of this user. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'greenroom')
}

/** Node's cache of sources with their types stripped, compiled. The image has one as well (Dockerfile). */
export function compileCacheFolder(): string {
  return join(cacheFolder(), 'compile-cache')
}
