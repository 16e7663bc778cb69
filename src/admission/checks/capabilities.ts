import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

/** Opening a port below 1024 is the one thing that restricted lets a container add. */
const addable = ['NET_BIND_SERVICE']

const dropRule = {
  rule: 'capabilities-drop',
  allowed: 'a list that holds ALL',
  fix: 'Drop ALL capabilities.',
}
const addRule = {
  rule: 'capabilities-add',
  allowed: addable.join(', '),
  fix: 'Remove every other added capability.',
}

/**
 * Pod Security Standard, restricted: capabilities.
 * Fields: `spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.{drop,add}`.
 * Allowed: `drop` holds ALL; `add` holds nothing but NET_BIND_SERVICE.
 */
export const checkCapabilities: Check = ({ containers }) =>
  containers.flatMap(({ container, path }) => {
    const { drop = [], add = [] } = container.securityContext?.capabilities ?? {}
    const at = `${path}.securityContext.capabilities`
    const refused = add.filter((capability) => !addable.includes(capability))
    return [
      ...(drop.includes('ALL') ? [] : [violationOf(dropRule, `${at}.drop`, drop)]),
      ...(refused.length > 0 ? [violationOf(addRule, `${at}.add`, refused)] : []),
    ]
  })
