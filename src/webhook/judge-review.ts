import { shownPath } from '../admission/pod/violation.ts'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { PolicyInForce } from '../admission/policy/policy-in-force.ts'
import { assignKeysFrom, noAssignKeys } from '../admission/policy/public-assign-keys.ts'
import {
  type AdmissionRequest,
  type Answer,
  encodeAnswer,
  type ReviewAnswer,
  rulesOfAnswer,
} from '../admission/review/admission-review.ts'
import { type Configuration, configReview } from '../admission/review/config-review.ts'
import { namespaceReview } from '../admission/review/namespace-review.ts'
import { ownershipReview } from '../admission/review/ownership-review.ts'
import { mutateReview, validateReview } from '../admission/review/pod-review.ts'
import { templateReview } from '../admission/review/template-review.ts'
import type { Logger } from '../logging.ts'
import type { AdmissionCounter } from './admission-hour.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'

type Review = (request: AdmissionRequest, inForce: PolicyInForce, configuration: Configuration) => Answer
export const judges = {
  mutate: mutateReview,
  validate: validateReview,
  'validate-config': configReview,
  'validate-namespace': namespaceReview,
  'validate-owner': ownershipReview,
  'warn-templates': templateReview,
} as const satisfies Record<string, Review>
export type Endpoint = keyof typeof judges

/** What these cannot judge passes, as it does with `failurePolicy: Ignore` while nobody answers. */
const lenient: ReadonlySet<Endpoint> = new Set(['validate-config', 'warn-templates'])

type Judge = (endpoint: Endpoint, request: AdmissionRequest, options: { late: boolean }) => ReviewAnswer

/** Where the context of a review comes from. */
export interface ReviewSources {
  /** The policy in force now; called once per review, so it must not block. */
  readonly policy: () => PolicyDocument
  /** Text of the public assign keys, a JWK Set, newest first; empty while there are none. */
  readonly assignKeys: () => string
}

/** What decides, at this moment. */
export function createContext({ policy, assignKeys }: ReviewSources): () => PolicyInForce {
  // Parsed once per text, not once per pod.
  let keys = { source: '', parsed: noAssignKeys }
  return () => {
    const source = assignKeys()
    if (source !== keys.source) keys = { source, parsed: assignKeysFrom(source) }
    return { policy: policy(), assignKeys: keys.parsed }
  }
}

/** A hostile pod has thousands, and a line of the log is to be read. */
const loggedReasons = 20

interface JudgeDeps {
  readonly context: () => PolicyInForce
  readonly configuration: () => Configuration
  readonly logger: Logger
  readonly metrics: WebhookMetrics
  readonly hour: Pick<AdmissionCounter, 'note'>
}

export function createJudge({ context, configuration, logger, metrics, hour }: JudgeDeps): Judge {
  return (endpoint, request, { late }) => {
    const { uid, operation } = request
    const end = metrics.reviewSeconds.startTimer({ endpoint })
    const { resource } = request.resource
    const seen = { endpoint, operation, resource, namespace: request.namespace, name: request.name, uid }
    let answer: Answer
    let version = 'unknown'
    let decision: string
    try {
      if (late) {
        metrics.late.inc({ endpoint })
        // Nobody listens any more: its fate is decided, and judging it would only delay those that wait.
        answer = notJudged(endpoint, 'the deadline had passed before the review was read')
      } else {
        const current = context()
        version = current.policy.version
        answer = judges[endpoint](request, current, configuration())
      }
      decision = answer.kind === 'patched' && answer.patch.length === 0 ? 'allowed' : answer.kind
    } catch (error) {
      logger.error({ ...seen, err: error }, 'review failed')
      answer = notJudged(endpoint, 'the review failed; the log of the webhook has the reason')
      decision = 'failed'
    }
    note(answer, seen)
    if (request.dryRun !== true) count(endpoint, answer, request.namespace ?? '')
    metrics.reviews.inc({ endpoint, operation, decision })
    end()
    return encodeAnswer(uid, answer, version)
  }

  /** What was only tried changes nothing, so the hour that people look at does not show it. */
  function count(endpoint: Endpoint, answer: Answer, namespace: string): void {
    if (answer.kind === 'patched') hour.note('changed', rulesOfAnswer(answer), namespace)
    if (answer.kind === 'denied')
      hour.note(
        'denied',
        answer.violations.map(({ rule }) => rule),
        namespace,
      )
    // The mutating call comes first and finds the same.
    else if (endpoint !== 'mutate' && answer.noted)
      hour.note(
        'warned',
        answer.noted.map(({ rule }) => rule),
        namespace,
      )
  }

  function note(answer: Answer, seen: object): void {
    if (answer.kind === 'patched') for (const rule of rulesOfAnswer(answer)) metrics.changes.inc({ rule })
    for (const { rule, code, mode = 'audit' } of answer.noted ?? [])
      metrics.violations.inc({ rule, code, mode })
    if (answer.kind !== 'denied') return
    const { violations } = answer
    for (const { rule, code, mode = 'enforce' } of violations) metrics.violations.inc({ rule, code, mode })
    // Rules and fields only: values are their owner's.
    const reasons = violations
      .slice(0, loggedReasons)
      .map(({ code, rule, path }) => ({ code, rule, path: shownPath(path) }))
    logger.info({ ...seen, reasons, violations: violations.length }, 'request denied')
  }
}

/** Fails safe: what could not be judged is refused, with words that give nothing away. */
function notJudged(endpoint: Endpoint, found: string): Answer {
  if (lenient.has(endpoint)) return { kind: 'allowed', warnings: [`Greenroom did not judge this: ${found}`] }
  return {
    kind: 'denied',
    violations: [
      {
        rule: 'not-judged',
        code: 'GRN_INTERNAL',
        path: 'object',
        found,
        allowed: 'what was judged',
        fix: 'Try again.',
      },
    ],
  }
}
