import type { Commands } from './command.ts'

/**
 * Commands for those who run Greenroom: they ask the cluster, PostgreSQL and Redis. They come with the image and the
 * repository. The npm package leaves this file out, and with it the clients that these commands need (ADR 24).
 */
export const operatorCommands: Commands = {
  doctor: {
    summary: 'List every broken invariant of Kubernetes, PostgreSQL and Redis',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  pools: {
    summary: 'Say why a pool has the size that it has, and make its decisions once more',
    load: async () => (await import('./pools.ts')).pools,
  },
  rollout: {
    summary: 'Show, undo, pause or resume the roll-out of a pool',
    load: async () => (await import('./rollout.ts')).rollout,
  },
  explain: {
    summary: 'Say field by field what the policy makes of a pod, and why',
    load: async () => (await import('./explain.ts')).explain,
  },
  scan: {
    summary: 'List the running pods that the policy would change or deny today',
    load: async () => (await import('./scan.ts')).scan,
  },
  keys: {
    summary: 'Make, list, rotate and revoke API keys',
    load: async () => (await import('./keys.ts')).keys,
  },
  usage: {
    summary: 'Report the pod time and cost of each project or pool in a window',
    load: async () => (await import('./usage.ts')).usage,
  },
  limits: {
    summary: 'Show, set or remove the limits of a project: sessions, opens in a minute, waiting opens',
    load: async () => (await import('./limits.ts')).limits,
  },
  simulate: {
    summary: 'Play a pool with a trace of claims: hit rate, waits and cost of each sizing',
    load: async () => (await import('./simulate.ts')).simulate,
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
  'try-session': {
    summary: 'Open a session, end it, and say how long it took',
    load: async () => (await import('./try-session.ts')).trySession,
  },
  'assign-key': {
    summary: 'Make or rotate the key that signs assignments',
    load: async () => (await import('./assign-key.ts')).assignKey,
  },
}
