import { explainPod } from '../admission/explain/explain-pod.ts'
import { podsToExplain } from '../admission/explain/pods-in-document.ts'
import type { PolicyInForce } from '../admission/policy/policy-in-force.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'

/** Where kubectl puts an object that names no namespace. */
const defaultNamespace = 'default'

/**
 * POST /explain with a Pod, an AdmissionReview or a workload as JSON: says field by field what the policy in force would
 * make of its pod. `?namespace=` is for documents that name none. Of a List only the first pod is explained.
 */
export function addExplainRoute(app: Service, inForce: () => PolicyInForce): void {
  app.post('/explain', async (request) => {
    const { namespace = defaultNamespace } = request.query as { readonly namespace?: string }
    const [found] = podsToExplain(request.body, String(namespace))
    if (!found) throw new GreenroomError('GRN_NO_POD')
    return explainPod(found.pod, {
      namespace: found.namespace ?? defaultNamespace,
      inForce: inForce(),
      username: found.username,
    })
  })
}
