import { action } from './line/command-spec.ts'
import { greenroomNetworkPolicies } from './network-policies/greenroom-network-policies.ts'
import { networkPoliciesText } from './network-policies/network-policies-text.ts'
import { networkOptions, readNetworkPoliciesArguments } from './network-policies/network-settings.ts'

export const networkPolicies = action({
  summary: 'Print the network policies that fit what is configured',
  about:
    'Whatever they do not name is out of reach. An overlay takes them as patches: [{ path: FILE }]. Without options they are those of manifests/base, which fit every cluster and so allow more.',
  options: networkOptions,
  examples: [
    {
      line: 'greenroom network-policies --livekit-url ws://livekit:7880 --postgres component --redis component',
      does: 'LiveKit and both stores are the components of this repository',
    },
  ],
  async run({ options }) {
    const { settings, namespace } = readNetworkPoliciesArguments(options)
    const policies = greenroomNetworkPolicies(settings).filter(
      (policy) => namespace === undefined || policy.namespace === namespace,
    )
    process.stdout.write(networkPoliciesText(policies))
  },
})
