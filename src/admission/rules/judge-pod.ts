import type { Violation } from '../pod/violation.ts'
import { withMode } from '../policy/modes.ts'
import { restrictedViolations } from '../standards/pod-security-standards.ts'
import type { AdmissionContext } from './admission-context.ts'
import { type GreenroomRule, kindOf, type PodKind, violationBy } from './greenroom-rule.ts'
import { identityRules, rowRules } from './greenroom-rules.ts'

type Judge = (context: AdmissionContext) => readonly Violation[]

/**
 * Everything in the pod that the policy does not allow, the most telling first; empty if it passes. Of several
 * violations at one field, or at a part of it, only the first is kept. Those with a `mode` do not deny.
 */
export function judgePod(context: AdmissionContext): Violation[] {
  const kept: Violation[] = []
  const said = new Map<Violation['mode'], Places>()
  for (const judge of judges[kindOf(context.podClass)]) {
    for (const found of judge(context)) {
      const violation = withMode(found, context.policy)
      if (isNews(violation, said)) kept.push(violation)
    }
  }
  return kept
}

/** Paths by their parts: a violation is compared with all that were kept before it in one walk along its path. */
type Places = Map<string, Places>

/**
 * False if another violation was kept at the same field or at a part of it. One that only warns never hides one that
 * denies. A label can be wrong in itself and besides not be its author's to set: both are said.
 */
function isNews({ path, mode }: Violation, said: Map<Violation['mode'], Places>): boolean {
  if (path.startsWith('metadata.')) return true
  const parts = path.split('.')
  if (holds(said.get(undefined), parts) || holds(said.get(mode), parts)) return false
  let places = said.get(mode) ?? new Map<string, Places>()
  said.set(mode, places)
  for (const part of parts) {
    const below = places.get(part) ?? new Map<string, Places>()
    places.set(part, below)
    places = below
  }
  return true
}

function holds(places: Places | undefined, parts: readonly string[]): boolean {
  let below = places
  for (const part of parts) below = below?.get(part)
  return below !== undefined
}

/** Pod Security Standard `restricted`, which includes `baseline`: for every pod, components too. */
const judgeRestricted: Judge = (context) =>
  restrictedViolations(context, context.policy.defaults.podSecurity.version)

/** Listed once: a review only looks its list up. */
const judges: Readonly<Record<PodKind, readonly Judge[]>> = {
  component: judgesOf('component'),
  'unknown-type': judgesOf('unknown-type'),
  unshaped: judgesOf('unshaped'),
  shaped: judgesOf('shaped'),
}

function judgesOf(kind: PodKind): Judge[] {
  const applying = (rules: readonly GreenroomRule[]): Judge[] =>
    rules.filter(({ appliesTo }) => appliesTo.includes(kind)).flatMap(judgeBy)
  return [...applying(identityRules), judgeRestricted, ...applying(rowRules)]
}

function judgeBy(rule: GreenroomRule): Judge[] {
  const { judge } = rule
  if (!judge) return []
  return [
    (context) => {
      const found = judge(context)
      return found.length === 0 ? none : found.map((one) => violationBy(rule, one))
    },
  ]
}

const none: readonly Violation[] = []
