import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { DocumentView, PodWriter } from '../domain/cluster-ports.ts'
import { withoutNames, withoutSecrets } from '../domain/plain-message.ts'
import type { PodWriteError } from '../domain/pod-write-error.ts'
import type { PoolSpec, PoolsDocument } from '../domain/pool.ts'
import { templateHash } from '../domain/slot-pod.ts'
import type { Logger } from '../logging.ts'

/**
 * Dry runs of the pools' pods. The API server and every admission plugin answer as for a real pod, and nothing is made. A
 * changed template is tried before its document comes into force; the pools in force are tried when the policy or a
 * LimitRange changed.
 */
interface PoolTrialDeps {
  readonly pools: Pick<DocumentView<PoolsDocument>, 'current'>
  readonly policy: Pick<DocumentView<PolicyDocument>, 'current'>
  readonly writer: Pick<PodWriter, 'wouldRefuse' | 'wouldRefusePlain'>
  /** Takes the outcome for a pool in force; a refusal is shown until a later trial passes. */
  readonly tried: (agentType: string, refusal: PodWriteError | undefined) => void
  /** Makes an Event of a document that is in force although its pods could not be tried. */
  readonly reportUntried: (message: string) => void
  /** Makes an Event of a row of the policy whose pod would be refused. */
  readonly reportRow: (message: string) => void
  readonly logger: Logger
}

/** Dry runs at a time: a document of a hundred pools must not be a burst on the API server. */
const triedAtOnce = 4

export function createPoolTrial({ writer, logger, ...deps }: PoolTrialDeps) {
  async function tryPools(pools: readonly (readonly [string, PoolSpec])[]) {
    const outcomes: { agentType: string; refusal: PodWriteError | undefined }[] = []
    for (let from = 0; from < pools.length; from += triedAtOnce) {
      const some = pools.slice(from, from + triedAtOnce)
      outcomes.push(
        ...(await Promise.all(
          some.map(async ([agentType, spec]) => ({
            agentType,
            refusal: await writer.wouldRefuse(agentType, spec),
          })),
        )),
      )
    }
    return outcomes
  }

  async function examine(next: PoolsDocument, inForce: PoolsDocument | undefined): Promise<string[]> {
    const outcomes = await tryPools(Object.entries(next.pools).filter(([type]) => isNew(type, next, inForce)))
    const refused = outcomes.flatMap(({ agentType, refusal }) => (refusal ? [{ agentType, refusal }] : []))
    const untried = refused.filter(({ refusal }) => !refusal.blamesPod)
    if (untried.length > 0) {
      const sentences = untried.map(({ agentType, refusal }) => sentenceOf(agentType, refusal))
      logger.warn({ sentences }, 'pods of changed pools could not be tried; the document is judged without')
      deps.reportUntried(sentences.join('; '))
    }
    return refused
      .filter(({ refusal }) => refusal.blamesPod)
      .map(({ agentType, refusal }) => problemOf(agentType, next.pools[agentType], refusal))
  }

  return {
    /** Problems of the pools whose template changed. Refusals that do not blame the pod are only told. Never rejects. */
    async examine(next: PoolsDocument, inForce: PoolsDocument | undefined): Promise<readonly string[]> {
      try {
        return await examine(next, inForce)
      } catch (error) {
        logger.error({ err: error }, 'changed pools could not be tried; the document is judged without')
        return []
      }
    },

    /** Tries the pools in force and, with `rows`, the rows of the policy that have no pool. */
    async look({ rows }: { readonly rows: boolean }): Promise<void> {
      const pools = deps.pools.current()?.pools ?? {}
      for (const { agentType, refusal } of await tryPools(Object.entries(pools))) {
        // The next real create tells what is away or full for the moment.
        const isLasting = refusal && ['denied', 'invalid', 'limit-range'].includes(refusal.reason)
        deps.tried(agentType, isLasting ? refusal : undefined)
        if (isLasting && rows) deps.reportRow(sentenceOf(agentType, refusal))
      }
      const plain = rows ? Object.keys(deps.policy.current()?.agentTypes ?? {}) : []
      for (const agentType of plain.filter((name) => !Object.hasOwn(pools, name))) {
        const refusal = await writer.wouldRefusePlain(agentType)
        if (!refusal || !blamesRow(refusal)) continue
        const sentence = sentenceOf(agentType, refusal)
        logger.warn({ sentence }, 'the API server refuses every pod of a row of agent-policy')
        deps.reportRow(sentence)
      }
    },
  }
}

export type PoolTrial = ReturnType<typeof createPoolTrial>

function isNew(agentType: string, next: PoolsDocument, inForce: PoolsDocument | undefined): boolean {
  const [after, before] = [next.pools[agentType], own(inForce?.pools, agentType)]
  return (
    after !== undefined && (!before || templateHash(agentType, after) !== templateHash(agentType, before))
  )
}

function own(pools: PoolsDocument['pools'] | undefined, agentType: string): PoolSpec | undefined {
  return pools && Object.hasOwn(pools, agentType) ? pools[agentType] : undefined
}

/** A webhook's denial may be about the image of the trial, which the row cannot know. */
function blamesRow({ reason, blamesPod, message }: PodWriteError): boolean {
  if (reason === 'denied') return !blamesPod && !message.includes('GRN_')
  return reason === 'invalid' || reason === 'limit-range'
}

function sentenceOf(agentType: string, refusal: PodWriteError): string {
  return `${agentType}: ${refusal.reason}: ${wordsOf(agentType, refusal)}`
}

/** Fields of the pod that are fields of the template. The agent's container is the first and only one that we make. */
const templateField =
  /spec\.containers\[0\]\.(image|command|args|env|imagePullPolicy|volumeMounts)\b((?:\[\d+\])?)/

function problemOf(agentType: string, spec: PoolSpec | undefined, refusal: PodWriteError): string {
  if (/spec\.volumes\[\d+\]/.test(refusal.message))
    return `/pools/${agentType}/template/volumes: ${wordsOf(agentType, refusal)}`
  const [, field, found = ''] = templateField.exec(refusal.message) ?? []
  const index = field === 'env' ? indexOfVariable(spec, refusal) : found.slice(1, -1)
  const at = field === undefined ? '' : `/${field}${index === '' ? '' : `/${index}`}`
  return `/pools/${agentType}/template${at}: ${wordsOf(agentType, refusal)}`
}

/** By its name: the webhook puts variables before those of the template, so the API server's number is another. */
function indexOfVariable(spec: PoolSpec | undefined, { message }: PodWriteError): string {
  const index = spec?.template.env?.findIndex(({ name }) => message.includes(JSON.stringify(name))) ?? -1
  return index < 0 ? '' : String(index)
}

function wordsOf(agentType: string, refusal: PodWriteError): string {
  return withoutNames(withoutSecrets(refusal.message), agentType).replace(/\bdry-run-\w{5}\b/g, 'dry-run-*')
}
