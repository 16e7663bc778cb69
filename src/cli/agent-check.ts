import { parseArgs } from 'node:util'
import { agentPort } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import { type CheckReport, checkAgent, type RuleResult } from './agent-check/check-agent.ts'
import { ruleNames } from './agent-check/contract-rules.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `Usage: greenroom agent-check [OPTIONS] -- COMMAND [ARGUMENTS]
Starts the agent COMMAND with keys and pod UIDs of its own, tries every rule of the agent contract on it, and prints what
was seen. Each agent has a loopback address of its own in GREENROOM_LISTEN_ADDRESS and runs beside others; one that listens
on all addresses is started again for each rule that needs a fresh one.
--port N            where the agent listens (default: ${agentPort}, as in a pod)
--agent-type NAME   GREENROOM_AGENT_TYPE of the agent (default: checked-agent)
--start-seconds N   longest time to become ready (default: 30)
--grace-seconds N   longest time to exit after SIGTERM or /end (default: 30, as in a pod)
--rule NAME         try this rule only; may be repeated (a wrong name lists them)
--json              the report as JSON
The agent gets the environment of this command, without GREENROOM_* and LIVEKIT_API_*.
Exit code: 0 every rule that was tried is kept; 1 one is not; 2 the arguments are wrong.`

/** The session server waits so long for an acknowledgement. */
const answerMs = 1_500

export const agentCheck: CommandProgram = { usage, run: runAgentCheck }

interface AgentCheckArguments {
  readonly command: readonly string[]
  readonly port: number
  readonly agentType: string
  readonly startMs: number
  readonly graceMs: number
  readonly only: ReadonlySet<string> | undefined
  readonly json: boolean
}

/** The command: prints the report on stdout and resolves with the exit code. */
async function runAgentCheck(argv: readonly string[]): Promise<number> {
  const { json, startMs, graceMs, ...wanted } = readArguments(argv)
  // The agents are killed when this process exits, however it comes to that.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const report = await checkAgent({ ...wanted, env: process.env, limits: { startMs, graceMs, answerMs } })
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : inWords(report))
  return report.results.some(({ verdict }) => verdict === 'failed') ? 1 : 0
}

function inWords({ results, tookMs }: CheckReport): string {
  const table = textTable([
    ['RULE', 'VERDICT', 'AN AGENT …', 'SEEN'],
    ...results.map(({ rule, verdict, title, seen }) => [rule, shown[verdict], title, seen]),
  ])
  const failed = results.filter(({ verdict }) => verdict === 'failed')
  const advice = failed.map(({ rule, fix }) => `${rule}: ${fix}`)
  const count = (wanted: RuleResult['verdict']) => results.filter(({ verdict }) => verdict === wanted).length
  const total = `${count('passed')} passed, ${failed.length} failed, ${count('not tried')} not tried, in ${(tookMs / 1_000).toFixed(1)} s`
  return `${[table, ...(advice.length > 0 ? [`What to do:\n${advice.join('\n')}`] : []), total].join('\n\n')}\n`
}

/** A failure is found at a glance. */
const shown: Readonly<Record<RuleResult['verdict'], string>> = {
  passed: 'passed',
  failed: 'FAILED',
  'not tried': 'not tried',
}

/** @throws GreenroomError GRN_INVALID_CONFIG with the usage */
function readArguments(argv: readonly string[]): AgentCheckArguments {
  try {
    const end = argv.indexOf('--')
    const command = end === -1 ? [] : argv.slice(end + 1)
    const { values } = parseArgs({
      args: end === -1 ? [...argv] : argv.slice(0, end),
      options: {
        port: { type: 'string', default: String(agentPort) },
        'agent-type': { type: 'string', default: 'checked-agent' },
        'start-seconds': { type: 'string', default: '30' },
        'grace-seconds': { type: 'string', default: '30' },
        rule: { type: 'string', multiple: true },
        json: { type: 'boolean', default: false },
      },
    })
    if (command.length === 0) throw new TypeError('there is no COMMAND after --')
    const unknown = values.rule?.filter((name) => !ruleNames.includes(name)) ?? []
    if (unknown.length > 0)
      throw new TypeError(`there is no rule ${unknown.join(', ')}; the rules: ${ruleNames.join(', ')}`)
    return {
      command,
      port: numberOf('--port', values.port),
      agentType: values['agent-type'],
      startMs: numberOf('--start-seconds', values['start-seconds']) * 1_000,
      graceMs: numberOf('--grace-seconds', values['grace-seconds']) * 1_000,
      only: values.rule && new Set(values.rule),
      json: values.json,
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n\n${usage}\n`)
  }
}

function numberOf(name: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535)
    throw new TypeError(`${name}: expected a number from 1 to 65535`)
  return Number(text)
}
