import { agentPort } from '../domain/names.ts'
import { type CheckReport, checkAgent, type RuleResult } from './agent-check/check-agent.ts'
import { ruleNames } from './agent-check/contract-rules.ts'
import { action } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'
import { textTable } from './text-table.ts'

/** The session server waits so long for an acknowledgement. */
const answerMs = 1_500

export const agentCheck = action({
  summary: 'Start an agent and try every rule of the agent contract on it',
  about: `It starts the agent COMMAND with keys and pod UIDs of its own, and prints what was seen. Each agent has a loopback address of its own in GREENROOM_LISTEN_ADDRESS and runs beside others; one that listens on all addresses is started again for each rule that needs a fresh one. The agent gets the environment of this command, without GREENROOM_* and LIVEKIT_API_*.`,
  options: {
    port: {
      type: 'string',
      value: 'N',
      default: String(agentPort),
      help: 'where the agent listens, as in a pod',
    },
    'agent-type': {
      type: 'string',
      value: 'NAME',
      default: 'checked-agent',
      help: 'GREENROOM_AGENT_TYPE of the agent',
    },
    'start-seconds': { type: 'string', value: 'N', default: '30', help: 'longest time to become ready' },
    'grace-seconds': {
      type: 'string',
      value: 'N',
      default: '30',
      help: 'longest time to exit after SIGTERM or /end, as in a pod',
    },
    rule: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      help: 'try this rule only; a wrong name lists them',
    },
    json: { type: 'boolean', help: 'the report as JSON' },
  },
  tail: 'COMMAND [ARGUMENTS]',
  exits: { 0: 'every rule that was tried is kept', 1: 'one is not' },
  examples: [
    { line: 'greenroom agent-check -- python3 agent.py', does: 'Every rule' },
    { line: 'greenroom agent-check --rule sigterm-exits -- node agent.js', does: 'One of them' },
  ],
  async run({ options, tail: command }) {
    if (command.length === 0) throw wrongArguments('There is no COMMAND after --.')
    const unknown = options.rule?.filter((name) => !ruleNames.includes(name)) ?? []
    if (unknown.length > 0)
      throw wrongArguments(`There is no rule ${unknown.join(', ')}; the rules: ${ruleNames.join(', ')}.`)
    const number = (name: 'port' | 'start-seconds' | 'grace-seconds') =>
      wholeNumber(`--${name}`, options[name], [1, 65_535])
    const wanted = {
      command,
      port: number('port'),
      agentType: options['agent-type'],
      only: options.rule && new Set(options.rule),
      env: process.env,
      limits: {
        startMs: number('start-seconds') * 1_000,
        graceMs: number('grace-seconds') * 1_000,
        answerMs,
      },
    }
    // The agents are killed when this process exits, however it comes to that.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
    const report = await checkAgent(wanted)
    process.stdout.write(
      options.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : inWords(report),
    )
    return report.results.some(({ verdict }) => verdict === 'failed') ? exitCode.found : exitCode.done
  },
})

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
