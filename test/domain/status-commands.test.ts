import { readFileSync } from 'node:fs'
import t from 'tap'
import { agentCommands } from '../../src/cli/agent-commands.ts'
import { operatorCommands } from '../../src/cli/operator-commands.ts'
import { serverCommands } from '../../src/cli/server-commands.ts'
import { PoolProblem } from '../../src/domain/pool-problem.ts'
import {
  type FindingCommand,
  findingCommand,
  partCommand,
  poolCommand,
} from '../../src/domain/status-commands.ts'
import { statusPartNames } from '../../src/domain/status-report.ts'

/** As `kubectl help` has them: those that only look. */
const kubectlVerbs = ['get', 'describe', 'logs', 'events', 'auth']
const packageJson = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
const { scripts } = JSON.parse(packageJson) as { scripts: Record<string, string> }
const commands: Readonly<Record<string, unknown>> = {
  ...serverCommands,
  ...operatorCommands,
  ...agentCommands,
}

const causes = (PoolProblem.properties.cause as unknown as { anyOf: { const: string }[] }).anyOf.map(
  ({ const: cause }) => cause as Parameters<typeof poolCommand>[1],
)
const findings: FindingCommand[] = ['broken', 'drift', 'frozen', 'assign-keys']

void t.test('every command that a problem names exists, and changes nothing', async (t) => {
  const named = [
    ...statusPartNames.map((part) => partCommand(part, 'ai-agents')),
    ...causes.map((cause) => poolCommand('echo-agent', cause, 'ai-agents')),
    ...findings.map((finding) => findingCommand(finding, 'ai-agents')),
  ]
  t.ok(causes.length > 10 && named.length === statusPartNames.length + causes.length + findings.length)
  for (const command of named) {
    const [program, ...words] = command.split(' ')
    if (program === 'greenroom') t.ok(Object.hasOwn(commands, words[0] ?? ''), command)
    else if (program === 'npm') t.ok(Object.hasOwn(scripts, words[1] ?? ''), command)
    else {
      t.equal(program, 'kubectl', command)
      const verb = words[0] === '-n' ? words[2] : words[0]
      t.ok(kubectlVerbs.includes(verb ?? ''), command)
    }
  }
})

void t.test('a name that no API server would take is quoted', async (t) => {
  t.equal(
    poolCommand('a b$(c)', 'crash', 'ns'),
    `kubectl -n ns describe pods -l greenroom.dev/pool='a b$(c)'`,
  )
  t.match(partCommand('agent-pools', 'x;y'), /^kubectl -n 'x;y' /)
})
