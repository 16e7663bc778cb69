import { Type } from 'typebox'
import type { PoolReport } from '../../client/api-types.ts'
import { agentTypePattern } from '../../domain/agent-type-name.ts'
import type { StatusReport } from '../../domain/status-report.ts'
import { type ErrorCode, errorCatalogue } from '../../error-catalogue.ts'
import { GreenroomError } from '../../errors.ts'
import { mcpTool } from './mcp-tool.ts'

const nothing = Type.Object({}, { additionalProperties: false })
/** What a model can take in; there is a sentence where there are more. */
const mostListed = 50

export const pools = mcpTool({
  name: 'pools',
  title: 'List the pools of agents',
  description:
    'Lists the agent types that open takes: how many pods are ready, claimed or starting, how many opens wait, and what keeps a pool from its pods.',
  input: nothing,
  changes: 'nothing',
  async run(_args, { client, signal }) {
    const { pools: found } = await client.pools.list({ signal })
    return {
      pools: found.slice(0, mostListed).map(poolInShort),
      ...(found.length > mostListed && { more: found.length - mostListed }),
    }
  },
})

function poolInShort({
  agentType,
  desired,
  ready,
  warming,
  claimed,
  waiting,
  hitRate,
  boundBy,
  problem,
}: PoolReport) {
  return {
    agentType,
    ...desired,
    ready,
    warming,
    claimed,
    waiting,
    hitRate,
    boundBy,
    problem: problem?.message,
  }
}

export const explain = mcpTool({
  name: 'explain',
  title: 'Explain a pool, or the code of an error',
  description:
    'Says why a pool has the size that it has and what keeps it from its pods (about: an agent type), or what a code means and what to do (about: GRN_…).',
  input: Type.Object(
    {
      about: Type.String({
        pattern: `^GRN_[A-Z_]{1,40}$|${agentTypePattern}`,
        description: 'An agent type that pools lists, or a code such as GRN_POOL_EMPTY.',
      }),
    },
    { additionalProperties: false },
  ),
  changes: 'nothing',
  async run({ about }, { client, signal }) {
    if (!about.startsWith('GRN_')) return { ...(await client.pools.get(about, { signal })) }
    if (!Object.hasOwn(errorCatalogue, about))
      throw new GreenroomError('GRN_INVALID_REQUEST', `There is no code ${about}.`)
    const { title, remedy, status } = errorCatalogue[about as ErrorCode]
    return { code: about, means: title, remedy, status }
  },
})

export const status = mcpTool({
  name: 'status',
  title: 'Say whether everything is well',
  description:
    'Says whether Kubernetes, PostgreSQL, Redis, LiveKit, the webhook and the controller are well, and names each problem with its cause and a command for an operator.',
  input: nothing,
  changes: 'nothing',
  async run(_args, { get }) {
    const { problems, ...report } = await get<StatusReport>('/v1/status')
    const more = problems.length - mostListed
    return { ...report, problems: problems.slice(0, mostListed), ...(more > 0 && { more }) }
  },
})

export const doctor = mcpTool({
  name: 'doctor',
  title: 'Check the installation',
  description:
    'Checks versions, rights, certificates, clocks, settings of the stores and broken invariants from where this server runs, and returns what is wrong with the command that helps. Takes up to ten seconds. Use status first.',
  input: nothing,
  changes: 'nothing',
  async run(_args, call) {
    const { checks, violations, unread } = await call.doctor()
    const counts = Map.groupBy(checks, ({ state }) => state)
    return {
      checked: Object.fromEntries([...counts].map(([state, found]) => [state, found.length])),
      wrong: checks.filter(({ state }) => state === 'failed' || state === 'warning'),
      skipped: checks
        .filter(({ state }) => state === 'skipped')
        .map(({ name, detail }) => ({ name, detail })),
      brokenInvariants: violations.slice(0, mostListed),
      ...(violations.length > mostListed && { more: violations.length - mostListed }),
      unread,
    }
  },
})
