import type { EventRecorder } from '../cluster/event-recorder.ts'
import type { KubeClients } from '../cluster/kube-clients.ts'
import { listedKeyIds } from '../cluster/live-pods.ts'
import type { PodInformer } from '../cluster/pod-informer.ts'
import { createPublicKeySet } from '../cluster/public-key-set.ts'
import type { Config } from '../config.ts'
import { createOldKeyWatch } from '../controllers/old-key-watch.ts'
import { configMapName } from '../domain/names.ts'
import type { SignerLedger } from '../domain/session-ports.ts'
import type { RoleContext } from './role.ts'

interface KeyKeepingDeps extends Pick<RoleContext, 'metrics' | 'logger'> {
  readonly clients: KubeClients
  readonly signers: SignerLedger
  readonly pods: PodInformer
  readonly events: Pick<EventRecorder, 'record'>
  readonly monotonicMs: () => number
}

/** The leading controller's care for the public assign keys. */
export function createKeyKeeping(config: Config<'controller'>, { clients, events, ...deps }: KeyKeepingDeps) {
  const namespace = config.GREENROOM_NAMESPACE
  return createOldKeyWatch({
    ...deps,
    keySet: createPublicKeySet({ clients, namespace }),
    listed: () => listedKeyIds(clients.transport, namespace),
    waitMs: config.GREENROOM_OLD_KEY_SECONDS * 1_000,
    report: (note, uid) =>
      events.record({
        type: 'Normal',
        action: 'Remove',
        reason: 'OldKeysRemoved',
        note,
        regarding: { kind: 'ConfigMap', name: configMapName.assignKeys, ...(uid && { uid }) },
      }),
  })
}
