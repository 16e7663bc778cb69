import { readArguments } from '../../src/cli/line/read-command-line.ts'
import {
  type NetworkPoliciesArguments,
  readNetworkPoliciesArguments,
} from '../../src/cli/network-policies/network-settings.ts'
import { networkPolicies } from '../../src/cli/network-policies.ts'

/** The arguments of `greenroom network-policies`, read as the command reads them. */
export function networkArguments(argv: readonly string[]): NetworkPoliciesArguments {
  const { options } = readArguments(['network-policies'], networkPolicies, argv)
  return readNetworkPoliciesArguments(options as Parameters<typeof readNetworkPoliciesArguments>[0])
}
