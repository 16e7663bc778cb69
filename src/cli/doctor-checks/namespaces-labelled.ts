import { unlessMissing } from '../../cluster/kube-api-error.ts'
import { agentsNamespaceLabel, webhookNamespace } from '../../domain/names.ts'
import { absent, type DoctorCheck, failed, ok, warning } from './doctor-check.ts'

const enforceLabel = 'pod-security.kubernetes.io/enforce'

export const namespacesLabelled: DoctorCheck<'kubernetes'> = {
  name: 'namespaces-labelled',
  title: "The agents' namespace is judged, and the webhook's is not",
  when: 'after',
  part: 'kubernetes',
  why: `Pods are judged in namespaces with ${agentsNamespaceLabel}=enabled only.`,
  fix: 'kubectl apply --server-side -f manifests/base/namespace.yaml',
  async run({ core }, { config }) {
    const namespace = config.GREENROOM_NAMESPACE
    const [agents, system] = await Promise.all(
      [namespace, webhookNamespace].map((name) => unlessMissing(core.readNamespace({ name }))),
    )
    if (!agents) return absent(`There is no namespace ${namespace}.`)
    const { labels = {} } = agents.metadata ?? {}
    if (labels[agentsNamespaceLabel] !== 'enabled')
      return failed(
        `${namespace} lacks the label ${agentsNamespaceLabel}=enabled: its pods are not judged.`,
        `kubectl label namespace ${namespace} ${agentsNamespaceLabel}=enabled`,
      )
    if (system?.metadata?.labels?.[agentsNamespaceLabel] !== undefined)
      return failed(
        `${webhookNamespace} has the label ${agentsNamespaceLabel}.`,
        `kubectl label namespace ${webhookNamespace} ${agentsNamespaceLabel}-`,
      )
    if (labels[enforceLabel] !== 'restricted')
      return warning(
        `${namespace} lacks ${enforceLabel}=restricted, the API server's own check.`,
        `kubectl label --overwrite namespace ${namespace} ${enforceLabel}=restricted`,
      )
    return ok(`${namespace} is judged, and ${webhookNamespace} is not.`)
  },
}
