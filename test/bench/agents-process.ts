import { fileURLToPath } from 'node:url'
import type { Agents, startAgents } from './agents.ts'
import type { BenchKubeletOptions } from './bench-kubelet.ts'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'

export type AgentsCalls = {
  start(
    options: Parameters<typeof startAgents>[0],
  ): Promise<{ readonly addresses: readonly string[]; readonly rssMb: number }>
  place(pods: Parameters<Agents['place']>[0]): void
  /** Plays the kubelet too: pods of the API server get these agents. */
  serve(options: BenchKubeletOptions): Promise<void>
  reset(_: undefined): void
  tally(_: undefined): ReturnType<Agents['tally']>
}
type AgentsProcess = BenchProcess<AgentsCalls>

/** The agents of a bench in a process of their own. */
export function startAgentsProcess(logPath: string): AgentsProcess {
  return startBenchProcess({
    program: fileURLToPath(new URL('./agents-program.ts', import.meta.url)),
    logPath,
  })
}
