import type { Commands } from './command.ts'

/** Commands for those who write agents: they need nothing but Node, so the npm package holds them. */
export const agentCommands: Commands = {
  'agent-exec': {
    summary: 'Run a program that reads its session from env as an agent',
    load: async () => (await import('./agent-exec.ts')).agentExec,
  },
  'agent-check': {
    summary: 'Start an agent and try every rule of the agent contract on it',
    load: async () => (await import('./agent-check.ts')).agentCheck,
  },
}
