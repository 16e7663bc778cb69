import type { CommandProgram } from './command.ts'
import { greenroomNetworkPolicies } from './network-policies/greenroom-network-policies.ts'
import { networkPoliciesText } from './network-policies/network-policies-text.ts'
import { networkPoliciesUsage, readNetworkPoliciesArguments } from './network-policies/network-settings.ts'

export const networkPolicies: CommandProgram = { usage: networkPoliciesUsage, run: runNetworkPolicies }

/** The command: prints the policies on stdout. @throws GreenroomError GRN_INVALID_CONFIG with the usage */
async function runNetworkPolicies(argv: readonly string[]): Promise<void> {
  const { settings, namespace } = readNetworkPoliciesArguments(argv)
  const policies = greenroomNetworkPolicies(settings).filter(
    (policy) => namespace === undefined || policy.namespace === namespace,
  )
  process.stdout.write(networkPoliciesText(policies))
}
