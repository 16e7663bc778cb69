import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const rule = {
  rule: 'read-only-root',
  allowed: 'true',
  fix: 'Leave it out; the webhook sets it. What must be writable goes into writablePaths of the row.',
}

/**
 * What runs cannot change its own program.
 * Fields: `securityContext.readOnlyRootFilesystem` of every container and init container. Allowed: true.
 */
export const checkReadOnlyRoot: Check = ({ containers }) =>
  containers.flatMap(({ container: { securityContext }, kind, path }) =>
    kind === 'ephemeral' || securityContext?.readOnlyRootFilesystem === true
      ? []
      : [
          violationOf(
            rule,
            `${path}.securityContext.readOnlyRootFilesystem`,
            securityContext?.readOnlyRootFilesystem,
          ),
        ],
  )
