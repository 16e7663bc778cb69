import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import {
  type AgentLauncher,
  createAgentLauncher,
  type LaunchOptions,
  listensEverywhere,
} from './agent-launcher.ts'
import { newContractKey } from './contract-keys.ts'
import { type ContractRule, NotTried, RuleBroken } from './contract-rule.ts'
import { contractRules, startRule } from './contract-rules.ts'
import { expectEcho } from './expect.ts'
import { startSessionServer } from './pretended-session-server.ts'
import { runRules } from './rules/run-rules.ts'
import type { CheckRun, ContractLimits, Trial } from './trial.ts'

export interface CheckOptions extends LaunchOptions {
  readonly agentType: string
  readonly limits: ContractLimits
  /** Only these rules; all unless given. */
  readonly only?: ReadonlySet<string> | undefined
}

export interface RuleResult {
  readonly rule: string
  readonly title: string
  readonly verdict: 'passed' | 'failed' | 'not tried'
  readonly seen: string
  readonly fix: string
}

export interface CheckReport {
  readonly command: readonly string[]
  readonly results: readonly RuleResult[]
  readonly tookMs: number
}

/**
 * How many rules are tried at once. Most of a rule's time is an agent's start, which needs a core; while agents take
 * their time to exit, which needs none, the others go on.
 */
const lanes = 3

/** Those that may wait for the whole grace time come first, so that the waits lie beside each other. */
const longest: readonly string[] = ['sigterm-exits', 'end-exits', 'stale-epoch']

/** Starts the agent as often as needed and tries every rule of the contract on it. */
export async function checkAgent(options: CheckOptions): Promise<CheckReport> {
  const startedAt = performance.now()
  const silent = await listenSilently()
  const server = await startSessionServer('127.0.0.1')
  const run: CheckRun = {
    agentType: options.agentType,
    limits: options.limits,
    keys: {
      newest: newContractKey('check-2'),
      older: newContractKey('check-1'),
      unknown: newContractKey('check-3'),
    },
    server,
    silentLiveKit: `ws://127.0.0.1:${silent.port}`,
    secrets: new Set(),
    answers: [],
  }
  try {
    const results = await tryRules(run, options)
    return { command: options.command, results, tookMs: performance.now() - startedAt }
  } finally {
    server.close()
    silent.close()
  }
}

async function tryRules(run: CheckRun, options: CheckOptions): Promise<RuleResult[]> {
  const isWanted = ({ rule }: { rule: string }) => !options.only || options.only.has(rule)
  const launcher = createAgentLauncher(run, options)
  const keeper = createKeeper(launcher)
  const results = new Map<string, RuleResult>()
  const attempt = async (rule: ContractRule) => void results.set(rule.rule, await tryRule(rule, keeper))
  await attempt(startRule)
  const started = results.get(startRule.rule)?.verdict === 'passed'
  const rest = contractRules.filter((rule) => rule !== startRule && isWanted(rule))
  if (started) {
    await inLanes(
      keeper.isExclusive() ? inOneLane(rest) : longestFirst(rest),
      keeper.isExclusive() ? 1 : lanes,
      attempt,
    )
  } else {
    for (const rule of rest) results.set(rule.rule, resultOf(rule, 'not tried', 'the agent does not start'))
  }
  await keeper.close()
  launcher.close()
  const seen = { secrets: run.secrets, answers: run.answers, outputs: launcher.outputs() }
  for (const rule of runRules.filter(isWanted)) {
    const judged = started
      ? async () => rule.judge(seen)
      : () => Promise.reject(new NotTried('the agent does not start'))
    results.set(rule.rule, await verdictOf(rule, judged))
  }
  if (!isWanted(startRule) && started) results.delete(startRule.rule)
  return [...contractRules, ...runRules].flatMap(({ rule }) => results.get(rule) ?? [])
}

/** Shared agents are used up before others take their port. */
function inOneLane(rules: readonly ContractRule[]): ContractRule[] {
  const order = ['idle', 'serving', 'own']
  return rules.toSorted((a, b) => order.indexOf(a.on) - order.indexOf(b.on))
}

function longestFirst(rules: readonly ContractRule[]): ContractRule[] {
  const isLong = ({ rule }: ContractRule) => longest.includes(rule)
  return rules.toSorted((a, b) => Number(isLong(b)) - Number(isLong(a)))
}

async function inLanes<Item>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: count }, lane))
}

async function tryRule(rule: ContractRule, keeper: Keeper): Promise<RuleResult> {
  let trial: Trial | undefined
  const result = await verdictOf(rule, async () => {
    trial = await keeper.take(rule)
    return rule.check(trial)
  })
  if (trial) await keeper.giveBack(trial, rule, result.verdict === 'passed')
  return result
}

type AnyRule = Pick<ContractRule, 'rule' | 'title' | 'fix'>

async function verdictOf(rule: AnyRule, attempt: () => Promise<string>): Promise<RuleResult> {
  try {
    return resultOf(rule, 'passed', await attempt())
  } catch (error) {
    if (error instanceof RuleBroken) return resultOf(rule, 'failed', error.message)
    if (error instanceof NotTried) return resultOf(rule, 'not tried', error.message)
    throw error
  }
}

function resultOf({ rule, title, fix }: AnyRule, verdict: RuleResult['verdict'], seen: string): RuleResult {
  return { rule, title, verdict, seen, fix }
}

/** Keeps agents that the next rule can use. A rule that failed may have changed its agent, so that one is not kept. */
interface Keeper {
  take(rule: ContractRule): Promise<Trial>
  giveBack(trial: Trial, rule: ContractRule, isAsBefore: boolean): Promise<void>
  /** Only one agent can run at a time. Known after the first. */
  isExclusive(): boolean
  close(): Promise<void>
}

function createKeeper(launcher: AgentLauncher): Keeper {
  const kept: Trial[] = []
  const leaving = new Set<Promise<void>>()
  let exclusive: boolean | undefined

  async function dismiss(trial: Trial): Promise<void> {
    const left = launcher.dismiss(trial)
    leaving.add(left)
    // In a lane of its own nobody waits for an agent to go.
    if (exclusive) await left
  }
  async function launch(rule: ContractRule): Promise<Trial> {
    if (exclusive) for (const trial of kept.splice(0)) await dismiss(trial)
    const trial = await launcher.launch(rule)
    exclusive ??= await listensEverywhere(trial)
    return trial
  }
  function keptIn(state: ContractRule['on']): Trial | undefined {
    const found = kept.findIndex(({ session }) => (session === undefined) === (state === 'idle'))
    return found === -1 ? undefined : kept.splice(found, 1)[0]
  }
  async function launchServing(rule: ContractRule): Promise<Trial> {
    const trial = keptIn('idle') ?? (await launch(rule))
    const session = trial.newAssignment()
    try {
      expectEcho(await trial.assign(session), session, 'the assignment that this rule needs')
    } catch (error) {
      await dismiss(trial)
      throw error
    }
    trial.session = session
    return trial
  }

  return {
    take: async (rule) => {
      if (rule.on === 'own') return launch(rule)
      return keptIn(rule.on) ?? (rule.on === 'idle' ? launch(rule) : launchServing(rule))
    },
    giveBack: async (trial, rule, isAsBefore) => {
      if (isAsBefore && rule.on !== 'own') kept.push(trial)
      else await dismiss(trial)
    },
    isExclusive: () => exclusive === true,
    async close() {
      for (const trial of kept.splice(0)) leaving.add(launcher.dismiss(trial))
      await Promise.all(leaving)
    },
  }
}

/** Takes connections and says nothing, like a server that hangs. */
async function listenSilently(): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => void socket.on('error', () => socket.destroy()).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => void server.close().unref() }
}
