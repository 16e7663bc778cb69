import type { Commands } from './command.ts'

/** Commands that ask the session server, with an API key. The npm package and the plug-in of kubectl hold them. */
export const serverCommands: Commands = {
  status: {
    summary: 'Say whether everything is well, what is not, and what to type',
    load: async () => (await import('./status.ts')).status,
  },
  top: {
    summary: 'Show pools and what needs attention on the whole terminal, as they change',
    load: async () => (await import('./top.ts')).top,
  },
  pools: {
    summary: 'List, show, explain, resize, freeze and roll out pools',
    load: async () => (await import('./pools.ts')).pools,
  },
  sessions: {
    summary: 'List, show, open, end and follow sessions',
    load: async () => (await import('./sessions.ts')).sessions,
  },
  usage: {
    summary: 'Report the pod time and cost of each project or pool in a window',
    load: async () => (await import('./usage.ts')).usage,
  },
  keys: {
    summary: 'Make, list, rotate and revoke API keys',
    load: async () => (await import('./keys.ts')).keys,
  },
  limits: {
    summary: 'Show, set or remove the limits of a project: sessions, opens in a minute, waiting opens',
    load: async () => (await import('./limits.ts')).limits,
  },
  audit: {
    summary: 'Say which credential did what, newest first',
    load: async () => (await import('./read-audit.ts')).audit,
  },
  webhooks: {
    summary: 'Have events sent to an address, and see why that fails',
    load: async () => (await import('./webhooks.ts')).webhooks,
  },
  rollout: {
    summary: 'The same as "pools rollout": show, undo, pause or resume the roll-out of a pool',
    load: async () => (await import('./rollout.ts')).rollout,
  },
  'try-session': {
    summary: 'Open a session, end it, and say how long it took',
    load: async () => (await import('./try-session.ts')).trySession,
  },
  simulate: {
    summary: 'Play a pool with a trace of claims: hit rate, waits and cost of each sizing',
    load: async () => (await import('./simulate.ts')).simulate,
  },
}
