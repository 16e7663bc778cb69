import type { Commands } from './command.ts'

/**
 * Commands for those who run Greenroom: they ask the cluster, PostgreSQL and Redis. They come with the image and the
 * repository. The npm package leaves this file out, and with it the clients that these commands need (ADR 24).
 */
export const operatorCommands: Commands = {
  doctor: {
    summary:
      'Look at what Greenroom needs, say what is wrong and what to type, and list every broken invariant',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  explain: {
    summary: 'Say field by field what the policy makes of a pod, and why',
    load: async () => (await import('./explain.ts')).explain,
  },
  scan: {
    summary: 'List the running pods that the policy would change or deny today',
    load: async () => (await import('./scan.ts')).scan,
  },
  mcp: {
    summary:
      'Serve the Model Context Protocol: models open sessions, talk to agents, and ask how everything is',
    load: async () => (await import('./mcp.ts')).mcp,
  },
  'network-policies': {
    summary:
      'Print the network policies for the LiveKit, monitoring, stores and API server that are configured',
    load: async () => (await import('./network-policies.ts')).networkPolicies,
  },
  'assign-key': {
    summary: 'Make or rotate the key that signs assignments',
    load: async () => (await import('./assign-key.ts')).assignKey,
  },
}
