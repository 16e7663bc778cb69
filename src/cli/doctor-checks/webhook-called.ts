import type { V1Pod } from '@kubernetes/client-node'
import { apiPath } from '../../cluster/api-path.ts'
import { hasStatus, KubeApiError, unlessMissing } from '../../cluster/kube-api-error.ts'
import type { KubeTransport } from '../../cluster/kube-transport.ts'
import { annotation, webhookName } from '../../domain/names.ts'
import { absent, type DoctorCheck, type Finding, failed, ok, skipped } from './doctor-check.ts'

export const webhookCalled: DoctorCheck<'kubernetes'> = {
  name: 'webhook-called',
  title: 'The API server calls the webhook for each new pod',
  when: 'after',
  part: 'kubernetes',
  why: 'A pod that the webhook did not see is not hardened. This creates one with dry-run: nothing is kept.',
  fix: 'kubectl -n greenroom-system rollout status deployment/agent-webhook --timeout=60s',
  async run({ transport }, { config }) {
    if (!(await isInstalled(transport)))
      return absent(
        `There is no MutatingWebhookConfiguration ${webhookName}.`,
        'kubectl apply --server-side -k manifests/base',
      )
    const namespace = config.GREENROOM_NAMESPACE
    try {
      const { body } = await transport.send({
        method: 'POST',
        path: `${apiPath({ resource: 'pods', namespace })}?dryRun=All`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(triedPod),
      })
      return judgeAnswer(JSON.parse(body) as V1Pod)
    } catch (error) {
      if (error instanceof KubeApiError) return judgeRefusal(error, namespace)
      throw error
    }
  },
}

/** Who may not read the configuration, as the session server may not, can still try a pod. */
async function isInstalled(transport: KubeTransport): Promise<boolean> {
  const path = apiPath({ resource: 'mutatingwebhookconfigurations', name: webhookName })
  const answer = transport.getJson(path).then(
    () => true,
    (error: unknown) => hasStatus(error, 403) || Promise.reject(error as Error),
  )
  return (await unlessMissing(answer)) ?? false
}

/** One container and nothing else, so that everything the policy demands has to come from the webhook. */
const triedPod: V1Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'greenroom-doctor-' },
  spec: { containers: [{ name: 'agent', image: 'greenroom.invalid/doctor:1' }] },
}

function judgeAnswer({ metadata }: V1Pod): Finding {
  return metadata?.annotations?.[annotation.policyVersion] === undefined
    ? failed(
        'A pod was taken as it was: the webhook was not called.',
        'kubectl label namespace ai-agents greenroom.dev/agents=enabled',
      )
    : ok(`A pod was tried and hardened by policy ${metadata.annotations[annotation.policyVersion]}.`)
}

function judgeRefusal({ message, status }: KubeApiError, namespace: string): Finding {
  // Its own words prove that it was called.
  if (/admission webhook "[^"]*\.agents\.greenroom\.dev" denied/.test(message))
    return ok('A pod was tried, and the webhook refused it by the policy.')
  if (/failed calling webhook/.test(message)) return failed(`The API server cannot call it: ${message}.`)
  if (/violates PodSecurity/.test(message))
    return failed(`PodSecurity refused a pod of ${namespace} that the webhook should have hardened.`)
  if (/exceeded quota/.test(message)) return skipped('The quota is used up: no pod can be tried.')
  if (status === 404) return absent(`There is no namespace ${namespace}.`)
  return skipped(`No pod could be tried: ${message}.`)
}
