import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import { confirm } from '../line/confirm.ts'
import { serverOptions } from '../line/shared-options.ts'
import { openServer } from '../reach/server-connection.ts'

export const retirePod = action({
  summary: 'Take an idle pod out of service for good; the pool makes another',
  about: 'The session server does it, with the key. A pod that a session has meanwhile stays.',
  arguments: [
    { name: 'POOL', help: 'the agent type', kind: 'pool' },
    { name: 'POD', help: 'the name of the pod' },
  ],
  options: {
    yes: { type: 'boolean', short: 'y', help: 'without asking' },
    ...serverOptions,
  },
  examples: [
    { line: 'greenroom pools retire echo-agent echo-agent-x7k2p', does: 'Asks, and retires that pod' },
  ],
  async run({ words: [pool = '', pod = ''], options }) {
    const [agentType, name] = [bareName('pool', pool), bareName('pod', pod)]
    if (!(await confirm(`Retire ${name} of ${agentType}?`, options.yes === true))) {
      process.stderr.write('Nothing is retired.\n')
      return
    }
    await using server = await openServer(options)
    const path = `/v1/pools/${encodeURIComponent(agentType)}/pods/${encodeURIComponent(name)}/retire`
    await server.ask(path, { method: 'POST' })
    process.stdout.write(`${name} is retired.\n`)
  },
})
