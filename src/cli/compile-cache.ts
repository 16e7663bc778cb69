import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { GreenroomError } from '../errors.ts'

/** Every program that one of our containers may run. */
const programs: readonly (() => Promise<unknown>)[] = [
  () => import('../roles/api-role.ts'),
  () => import('../roles/controller-role.ts'),
  () => import('../roles/webhook-role.ts'),
  () => import('../certificates/make-certificate-program.ts'),
  () => import('../stores/postgres-migrate.ts'),
  () => import('./doctor.ts'),
  () => import('./explain.ts'),
  () => import('./scan.ts'),
  () => import('./assign-key.ts'),
]

/**
 * Fills Node's compile cache ($NODE_COMPILE_CACHE) with every program: the sources without types, and their byte code.
 * It runs once when the image is built, as the user who will run the image, because the cache is kept by user and by
 * Node's version. A process that finds it never loads the type stripper. Throws GRN_INVALID_CONFIG where no cache can be
 * written.
 */
export async function fillCompileCache(): Promise<void> {
  if (getCompileCacheDir() === undefined) {
    throw new GreenroomError(
      'GRN_INVALID_CONFIG',
      'There is no compile cache to fill: set NODE_COMPILE_CACHE to a folder that can be written.',
    )
  }
  for (const load of programs) await load()
  flushCompileCache()
}
