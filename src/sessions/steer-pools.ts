import type { AuditAction, AuditActor, AuditFact } from '../domain/audit.ts'
import type { PodView } from '../domain/cluster-ports.ts'
import { editPool, type PoolEdit } from '../domain/edit-pool.ts'
import type { SlotIndex, WakeBus } from '../domain/index-ports.ts'
import { configMapName } from '../domain/names.ts'
import type {
  MayEditPools,
  PoolChange,
  RetiredPod,
  SizeBody,
  WrittenPoolsStore,
} from '../domain/pool-change.ts'
import type { ClaimLedger } from '../domain/session-ports.ts'
import { textDiff } from '../domain/text-diff.ts'
import { GreenroomError } from '../errors.ts'

export interface SteerPoolsDeps {
  readonly written: WrittenPoolsStore
  /** False where agent-pools is kept elsewhere: then a change is shown and not made. */
  readonly writable: boolean
  readonly mayEdit: MayEditPools
  readonly pods: Pick<PodView, 'byPool'>
  readonly ledger: Pick<ClaimLedger, 'retire'>
  readonly index: Pick<SlotIndex, 'drop'>
  readonly wakes: Pick<WakeBus, 'publish'>
  readonly note: (fact: AuditFact) => void
  readonly namespace: string
}

interface Order {
  readonly action: AuditAction
  readonly edit: PoolEdit
  readonly dryRun: boolean
  readonly by: AuditActor
}

/**
 * What people do to a pool at a page or a command line: changes of its document, by their own rights in Kubernetes
 * where they have any, and the retirement of a pod that nobody uses.
 */
export function createSteerPools(deps: SteerPoolsDeps) {
  const { written, writable, mayEdit, pods, ledger, index, wakes, note, namespace } = deps
  const command = `kubectl -n ${namespace} edit configmap ${configMapName.pools}`

  async function change(agentType: string, { action, edit, dryRun, by }: Order): Promise<PoolChange> {
    if (!(await mayEdit(by)))
      throw new GreenroomError(
        'GRN_FORBIDDEN',
        `${by.id} may not update ConfigMap ${configMapName.pools} in ${namespace}, so it may not do so here.`,
      )
    const present = await written.read()
    if (!present)
      throw new GreenroomError('GRN_INVALID_POOLS', 'There is no ConfigMap agent-pools with pools.yaml.')
    const edited = editPool(present.text, agentType, edit)
    if (!edited.ok) throw refusalOf(agentType, edited)
    const diff = textDiff(present.text, edited.text)
    const answer = { agentType, changed: false, dryRun, diff, writable, command }
    if (diff === '') return { ...answer, ...(!dryRun && { generation: present.resourceVersion }) }
    if (!writable) {
      if (dryRun) return answer
      throw new GreenroomError(
        'GRN_POOLS_READ_ONLY',
        `Pools are not changed through this API here. Of ${agentType} it would be: ${wordsOf(edit)}. By hand: ${command}.`,
      )
    }
    const generation = await written.replace(present, edited.text, { dryRun })
    if (dryRun) return answer
    const detail = `${wordsOf(edited.before)} → ${wordsOf(edit)}`
    note({ by, projectId: undefined, action, subject: agentType, detail })
    return { ...answer, changed: true, generation }
  }

  return {
    freeze: (agentType: string, by: AuditActor): Promise<PoolChange> =>
      change(agentType, { action: 'pool.freeze', edit: { frozen: true }, dryRun: false, by }),

    thaw: (agentType: string, by: AuditActor): Promise<PoolChange> =>
      change(agentType, { action: 'pool.thaw', edit: { frozen: false }, dryRun: false, by }),

    async resize(agentType: string, { dryRun, ...edit }: SizeBody, by: AuditActor): Promise<PoolChange> {
      if (edit.min === undefined && edit.max === undefined)
        throw new GreenroomError('GRN_INVALID_REQUEST', 'body: neither min nor max is given.')
      return change(agentType, { action: 'pool.size', edit, dryRun, by })
    },

    /** The pod serves nobody and never will; the controller takes it away and makes another if the pool wants one. */
    async retirePod(agentType: string, name: string, by: AuditActor): Promise<RetiredPod> {
      const pod = pods.byPool(agentType).find((one) => one.name === name)
      if (!pod) throw new GreenroomError('GRN_POD_NOT_POOLED')
      const { uid } = pod
      const retired = await ledger.retire([uid], `ordered: ${by.kind} ${by.id}`)
      if (!retired.includes(uid)) throw new GreenroomError('GRN_POD_IN_USE')
      note({ by, projectId: undefined, action: 'pod.retire', subject: name, detail: agentType })
      await index.drop(agentType, [uid])
      wakes.publish({ kind: 'claimed', agentType })
      return { agentType, pod: name, uid }
    },
  }
}

export type SteerPools = ReturnType<typeof createSteerPools>

function wordsOf(edit: PoolEdit): string {
  return Object.entries(edit)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')
}

function refusalOf(
  agentType: string,
  { why, problem }: { readonly why: 'invalid' | 'unknown' | 'refused' | 'by-hand'; readonly problem: string },
): GreenroomError {
  if (why === 'unknown')
    return new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `There is no pool of "${agentType.slice(0, 64)}".`)
  if (why === 'by-hand') return new GreenroomError('GRN_POOLS_BY_HAND', `In pools.yaml ${problem}.`)
  const what = why === 'invalid' ? 'pools.yaml is not valid as it stands' : 'The change would not be valid'
  return new GreenroomError('GRN_INVALID_POOLS', `${what}: ${problem}.`)
}
