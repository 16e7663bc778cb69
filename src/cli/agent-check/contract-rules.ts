import type { ContractRule } from './contract-rule.ts'
import { assignRules } from './rules/assign-rules.ts'
import { bodyRules } from './rules/body-rules.ts'
import { confirmRules } from './rules/confirm-rules.ts'
import { endRules } from './rules/end-rules.ts'
import { leaseRules } from './rules/lease-rules.ts'
import { probeRules } from './rules/probe-rules.ts'
import { readOnlyRootRule, runRules } from './rules/run-rules.ts'
import { tokenRules } from './rules/token-rules.ts'

/** Tried first and alone: its time is the agent's, and if it is broken nothing else can be tried. */
export const startRule: ContractRule = {
  rule: 'starts',
  title: 'starts and becomes ready in time',
  fix: 'Listen on port 8080 (at GREENROOM_LISTEN_ADDRESS if that is set), and load models and connections ahead only as far as refill can wait for it.',
  on: 'idle',
  check: async ({ startMs }) => `ready ${Math.round(startMs)} ms after its start`,
}

/** In the order of the report. */
export const contractRules: readonly ContractRule[] = [
  startRule,
  ...probeRules,
  ...assignRules,
  ...tokenRules,
  ...bodyRules,
  ...confirmRules,
  ...endRules,
  ...leaseRules,
  readOnlyRootRule,
]

/** Every rule by its name, those about the whole run last. */
export const ruleNames: readonly string[] = [...contractRules, ...runRules].map(({ rule }) => rule)
