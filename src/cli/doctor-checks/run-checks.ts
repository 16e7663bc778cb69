import { hasStatus } from '../../cluster/kube-api-error.ts'
import { withoutSecrets } from '../../domain/plain-message.ts'
import { GreenroomError } from '../../errors.ts'
import { pause } from '../../timing/pause.ts'
import type { CheckContext, DoctorCheck, Finding, PartName } from './doctor-check.ts'
import { manifestNamespace, sentenceOf } from './doctor-check.ts'
import type { DoctorParts } from './doctor-parts.ts'

/** Which checks: those before an installation, or those after it; `any` are the latter where something may be missing yet. */
export type Phase = 'before' | 'after' | 'any'

/** One line of the doctor's table. */
export interface CheckReport {
  readonly name: string
  readonly title: string
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly detail: string
  /** A command; only where something is to be done. */
  readonly fix?: string
}

/** A part that is well answers a check in milliseconds, and one that hangs must not make a person wait. */
const checkMs = 8_000

interface RunOptions {
  readonly phase: Phase
  readonly parts: DoctorParts
  readonly context: CheckContext
  readonly limitMs?: number
}

/** Runs the checks of the phase side by side, each within its own time, and reports them in their order. */
export async function runChecks(
  checks: readonly DoctorCheck[],
  options: RunOptions,
): Promise<readonly CheckReport[]> {
  const { phase } = options
  const wanted = checks.filter(
    ({ when }) => when === 'always' || (when === 'before') === (phase === 'before'),
  )
  return Promise.all(wanted.map(async (check) => reported(check, await foundWithin(check, options), options)))
}

async function foundWithin(
  check: DoctorCheck,
  { parts, context, limitMs = checkMs }: RunOptions,
): Promise<Finding> {
  const over = new AbortController()
  const late = pause(limitMs, over.signal).then(
    (): Finding => ({ state: 'failed', detail: `${check.part} gave no answer within ${limitMs / 1_000} s.` }),
  )
  try {
    return await Promise.race([found(check, parts, context), late])
  } finally {
    over.abort()
  }
}

async function found(check: DoctorCheck, parts: DoctorParts, context: CheckContext): Promise<Finding> {
  const opened = await parts.open(check.part)
  if (opened.state === 'not configured') return { state: 'skipped', detail: opened.why }
  if (opened.state === 'not reached') return notReached(check, opened.error)
  try {
    return await check.run(opened.part, context)
  } catch (error) {
    if (hasStatus(error, 403) || hasStatus((error as Error).cause, 403))
      return { state: 'skipped', detail: `You may not look: ${sentenceOf(error)}.` }
    return { state: 'failed', detail: `It could not be looked at: ${finished(sentenceOf(error))}` }
  }
}

/** Said once, by the check whose matter it is; the others only say that they could not look. */
function notReached({ part, reaches }: DoctorCheck, error: unknown): Finding {
  if (!reaches) return { state: 'skipped', detail: `${partTitle[part]} was not reached.` }
  const code = error instanceof GreenroomError ? `${error.code}: ` : ''
  return {
    state: 'failed',
    detail: `${partTitle[part]} was not reached: ${code}${finished(sentenceOf(error))}`,
  }
}

const partTitle: Readonly<Record<PartName, string>> = {
  machine: 'This machine',
  kubernetes: 'Kubernetes',
  postgresql: 'PostgreSQL',
  redis: 'Redis',
  livekit: 'LiveKit',
}

function reported(
  check: DoctorCheck,
  { state: found, detail, fix = check.fix }: Finding,
  { phase, context }: Pick<RunOptions, 'phase' | 'context'>,
): CheckReport {
  const state = found === 'absent' ? (phase === 'after' ? 'failed' : 'skipped') : found
  const isWrong = state === 'failed' || state === 'warning'
  const command = fix.replaceAll(agentsNamespace, context.config.GREENROOM_NAMESPACE)
  const { name, title } = check
  return { name, title, state, detail: shown(detail), ...(isWrong && { fix: command }) }
}

/** As a word of its own: `ai-agents-quota` is a name. */
const agentsNamespace = new RegExp(`\\b${manifestNamespace}\\b(?!-)`, 'g')

/** The sentences of other programs may hold passwords, and what a terminal would obey. */
function shown(detail: string): string {
  return withoutSecrets(detail.replaceAll(/\p{Cc}/gu, ' '))
}

function finished(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`
}
