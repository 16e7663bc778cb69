/**
 * The rules that no mutation can or may put right: what is left of a mutated pod is one of these, or the mutator and the
 * validator disagree. A pod that is not mutated (a component, a Windows pod, one of an unknown type) may besides break
 * any rule of the Pod Security Standard.
 */
export const structuralRules: ReadonlySet<string> = new Set([
  // Rights over the node, or fields whose removal would change what the program is.
  'apparmor',
  'capabilities-add',
  'host-namespaces',
  'host-ports',
  'privileged',
  'probe-host',
  'proc-mount',
  'selinux',
  'sysctls',
  'volume-kinds',
  'windows-host-process',
  // What the author asks for and may not have; taking it away silently would start another program than the author's.
  'allowed-volumes',
  'images',
  'pool-credentials',
  'projected-token',
  'resource-range',
  'secret-references',
  'service-account',
  // What a pod is.
  'agent-container',
  'agent-type',
  'component-shape',
  'operating-system',
  // A changed label would make a ReplicaSet let go of its pod.
  'app-label',
  'label-ownership',
  'malformed',
])
