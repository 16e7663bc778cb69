import { GreenroomError } from '../../errors.ts'

/** The npm package has the client of Kubernetes as an optional peer (ADR 24). @throws GreenroomError that names it */
export function withoutPackage(error: NodeJS.ErrnoException): never {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  throw new GreenroomError(
    'GRN_INVALID_CONFIG',
    'A kubeconfig is read by @kubernetes/client-node: install it and undici beside greenroom, or give --server.',
    { cause: error },
  )
}
