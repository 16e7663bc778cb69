import { type Agents, startAgents } from './agents.ts'
import type { AgentsCalls } from './agents-process.ts'
import { startBenchKubelet } from './bench-kubelet.ts'
import { answerCalls } from './bench-process.ts'

/** The agents, and on demand the kubelet that starts them, as a process of its own; see `agents.ts`. */
let agents: Agents | undefined

function started(): Agents {
  if (!agents) throw new Error('the agents are not started')
  return agents
}

const calls: AgentsCalls = {
  async start(options) {
    agents = await startAgents(options)
    return { addresses: agents.addresses, rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20) }
  },
  place: (pods) => started().place(pods),
  async serve(options) {
    await startBenchKubelet(started(), options)
  },
  reset: () => started().reset(),
  tally: () => started().tally(),
}
answerCalls(calls)
