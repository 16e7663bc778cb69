import type { V1Pod } from '@kubernetes/client-node'
import type { PodWriter } from '../domain/cluster-ports.ts'
import { agentContainerName, annotation, label } from '../domain/names.ts'
import { PodWriteError } from '../domain/pod-write-error.ts'
import { slotPod } from '../domain/slot-pod.ts'
import { classifyWriteError } from './classify-write-error.ts'
import { hasStatus } from './kube-api-error.ts'
import { asStrategicMerge, type KubeClients } from './kube-clients.ts'
import { specDigest } from './spec-digest.ts'

interface PodWriterOptions {
  readonly clients: Pick<KubeClients, 'core'>
  readonly namespace: string
}

type PodRef = Parameters<PodWriter['exists']>[0]

/**
 * The only writer of pods. Every write but create names the UID, so that a namesake is never touched. A failed write
 * throws PodWriteError. A create without an answer may have made a pod; the informer will show it.
 */
export function createPodWriter({ clients: { core }, namespace }: PodWriterOptions): PodWriter {
  const exists = async ({ name, uid }: PodRef): Promise<boolean> => {
    try {
      const pod = await core.readNamespacedPod({ name, namespace })
      return pod.metadata?.uid === uid
    } catch (error) {
      if (hasStatus(error, 404, 410)) return false
      throw classifyWriteError(error)
    }
  }

  /** Sets labels and annotations, which every pod of a pool has. False if the pod (name and UID) is gone. */
  const patch = async (pod: PodRef, values: Readonly<Record<string, string>>): Promise<boolean> => {
    const added = Object.entries(values).map(([path, value]) => ({ op: 'add', path, value }))
    const body = [{ op: 'test', path: '/metadata/uid', value: pod.uid }, ...added]
    try {
      await core.patchNamespacedPod({ name: pod.name, namespace, body })
      return true
    } catch (error) {
      if (hasStatus(error, 404, 410)) return false
      // 422 is a failed `test` or an invalid label. Only a fresh read tells which.
      if (hasStatus(error, 409, 422) && !(await exists(pod))) return false
      throw classifyWriteError(error)
    }
  }

  /** Quotas count nothing and no pod is made, but every admission plugin and webhook answers as it would. */
  const refusalOf = async (body: V1Pod): Promise<PodWriteError | undefined> => {
    try {
      await core.createNamespacedPod({ namespace, body, dryRun: 'All' })
      return undefined
    } catch (error) {
      return classifyWriteError(error)
    }
  }

  return {
    exists,

    async list(agentType) {
      try {
        const labelSelector = `${label.pool}=${agentType}`
        const { items } = await core.listNamespacedPod({ namespace, labelSelector })
        return items.flatMap(({ metadata }) => metadata?.uid ?? [])
      } catch (error) {
        throw classifyWriteError(error)
      }
    },

    wouldRefuse: (agentType, spec) => refusalOf(slotPod(agentType, spec, { namespace })),

    wouldRefusePlain: (agentType) => refusalOf(plainPod(agentType)),

    async create(agentType, spec) {
      try {
        const pod = await core.createNamespacedPod({
          namespace,
          body: slotPod(agentType, spec, { namespace }),
        })
        const { uid, name } = pod.metadata ?? {}
        if (!uid || !name) {
          throw new PodWriteError('api', 'the API server answered without a pod', { answered: false })
        }
        return { uid, name, specDigest: specDigest(pod) }
      } catch (error) {
        throw error instanceof PodWriteError ? error : classifyWriteError(error)
      }
    },

    labelClaimed: (pod, sessionId) =>
      patch(pod, { [labelPath(label.state)]: 'claimed', [labelPath(label.session)]: sessionId }),

    labelFailed: (pod, words) =>
      patch(pod, { [labelPath(label.state)]: 'failed', [annotationPath(annotation.failure)]: words }),

    async resize(pod, requests) {
      try {
        await core.patchNamespacedPodResize(
          {
            name: pod.name,
            namespace,
            // The UID is a precondition: of a namesake it would be a change, which the API server refuses.
            body: {
              metadata: { uid: pod.uid },
              spec: { containers: [{ name: agentContainerName, resources: { requests } }] },
            },
          },
          asStrategicMerge,
        )
        return true
      } catch (error) {
        if (hasStatus(error, 410)) return false
        // An API server older than 1.33 answers 404 for a pod that is there.
        if (hasStatus(error, 404, 409, 422) && !(await exists(pod))) return false
        throw classifyWriteError(error)
      }
    },

    async delete(pod, graceSeconds) {
      try {
        await core.deleteNamespacedPod({
          name: pod.name,
          namespace,
          body: {
            preconditions: { uid: pod.uid },
            ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
          },
        })
        return true
      } catch (error) {
        if (hasStatus(error, 404, 410)) return false
        if (hasStatus(error, 409) && !(await exists(pod))) return false
        throw classifyWriteError(error)
      }
    },
  }
}

function labelPath(name: string): string {
  return `/metadata/labels/${pointerSegment(name)}`
}

function annotationPath(name: string): string {
  return `/metadata/annotations/${pointerSegment(name)}`
}

/** JSON Pointer: `~` and `/` of a name are escaped. */
function pointerSegment(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The row `default` is for pods without the label. The image is never pulled, because the pod is never made. */
function plainPod(agentType: string): V1Pod {
  return {
    metadata: {
      generateName: 'dry-run-',
      ...(agentType !== 'default' && { labels: { [label.agentType]: agentType } }),
    },
    spec: { containers: [{ name: agentContainerName, image: 'greenroom-dry-run:1' }] },
  }
}
