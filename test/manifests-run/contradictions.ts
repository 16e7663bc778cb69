import type { Check } from './check.ts'
import {
  agentsThatAreReadyWhenConnected,
  agentsWithoutTheirLabel,
  apiSecretsWithOthers,
  moreThanASmallMachineHolds,
  objectsForOneSession,
  poolsThatTheQuotaCannotHold,
  poolsWithoutTheirImage,
} from './checks/agent-checks.ts'
import { labelsWithoutEnd } from './checks/monitoring-checks.ts'
import {
  agentsOutOfReachOfLiveKit,
  ingressesWithoutClass,
  liveKitPortsOfTheDocuments,
  metricsByOneWayOnly,
  monitorsThatScrapeNothing,
  policiesWithoutDns,
} from './checks/network-checks.ts'
import { oldKustomizeFields, trialsWithoutPage } from './checks/source-checks.ts'
import {
  databasesWithAKnownPassword,
  databasesWithoutMigration,
  liveKitOnLoopback,
  oldExternalSecrets,
  secretsWrittenDown,
  snapshotsOfNothing,
  twoNamesForOne,
} from './checks/store-checks.ts'
import {
  budgetsThatBlockDrains,
  imagesWithoutVersion,
  probesOfTheirOwn,
  replicasBesideAnHpa,
  rollingAsTheDataAllows,
} from './checks/workload-checks.ts'
import type { SourceFile } from './manifest-set.ts'

/**
 * Where the five source documents contradict each other or themselves (C1 to C31), how Greenroom decides, and what holds every
 * set of manifests to it. Decisions about code name the test that shows them. The counter-examples are in counter-examples.ts.
 */

export interface Contradiction {
  readonly decision: string
  /** Of every set; or of these alone. */
  readonly check?: Check
  readonly only?: readonly string[]
  /** Of the kustomization files. */
  readonly files?: (files: readonly SourceFile[]) => string[]
  /** Of metrics. */
  readonly metrics?: () => string[]
  readonly shownBy?: { readonly file: string; readonly test: string }
}

const dev = 'manifests/overlays/dev'

export const contradictions: Readonly<Record<string, Contradiction>> = {
  C1: { decision: 'agents have one label, appLabel of the policy', check: agentsWithoutTheirLabel },
  C2: { decision: 'each pool names its image, and its row allows it', check: poolsWithoutTheirImage },
  C3: { decision: 'pods are warm: nothing is made for one session', check: objectsForOneSession },
  C4: {
    decision: 'ready means able to take a session, not connected',
    check: agentsThatAreReadyWhenConnected,
    shownBy: {
      file: 'test/agent/serve.test.ts',
      test: 'a pod is ready until it leaves, and takes one assignment',
    },
  },
  C5: {
    decision: 'a session gets a pod that is Ready, whatever its phase',
    shownBy: {
      file: 'test/sessions/cold-open.test.ts',
      test: 'answers PENDING at once, asks for a pod, and takes the first that becomes Ready',
    },
  },
  C6: {
    decision: 'agents reach DNS over UDP and TCP, and LiveKit at its ports',
    check: agentsOutOfReachOfLiveKit,
  },
  C7: { decision: 'whoever may send something reaches DNS', check: policiesWithoutDns },
  C8: { decision: 'the quota holds what the pools may become', check: poolsThatTheQuotaCannotHold },
  C9: {
    decision: 'a small machine holds the dev overlay, with two echo agents',
    check: moreThanASmallMachineHolds,
    only: [dev, 'manifests/components/small-machine', 'test/cluster-run/dev-overlay'],
  },
  C10: {
    decision: "a LimitRange's defaults are not the author's wish",
    shownBy: {
      file: 'test/admission/rules/container-resources.test.ts',
      test: "a LimitRange's defaults count as absent, of that container and field alone",
    },
  },
  C11: { decision: 'no replicas where an HPA decides', check: replicasBesideAnHpa },
  C12: { decision: 'a budget is maxUnavailable: 1', check: budgetsThatBlockDrains },
  C13: {
    decision: '/livez and /readyz, with the aliases /health and /ready',
    check: probesOfTheirOwn,
    shownBy: {
      file: 'test/serving/service-routes.test.ts',
      test: 'probes need no key; on the public port they say whether, and not why',
    },
  },
  C14: {
    decision: 'a ServiceMonitor selects a Service and a port that are there, a PodMonitor agents and theirs',
    check: monitorsThatScrapeNothing,
  },
  C15: {
    decision: 'annotations, and monitors every 15 s',
    check: metricsByOneWayOnly,
    only: [
      'manifests/base',
      'manifests/overlays/dev',
      'manifests/overlays/staging',
      'manifests/overlays/prod',
      'manifests/components/monitoring',
    ],
  },
  C16: { decision: 'ingressClassName, not the annotation', check: ingressesWithoutClass },
  C17: { decision: 'patches, and none of the fields that kustomize gave up', files: oldKustomizeFields },
  C18: { decision: 'a VolumeSnapshot is an object', check: snapshotsOfNothing },
  C19: { decision: 'ExternalSecret v1', check: oldExternalSecrets },
  C20: {
    decision: 'a StatefulSet in dev, elsewhere in prod, no known password',
    check: databasesWithAKnownPassword,
  },
  C21: { decision: 'one Job migrates', check: databasesWithoutMigration },
  C22: { decision: 'no Secret is written down', check: secretsWrittenDown },
  C23: { decision: "LiveKit's API secret is the session server's alone", check: apiSecretsWithOthers },
  C24: { decision: '7881 is TCP, 7882 UDP', check: liveKitPortsOfTheDocuments },
  C25: { decision: 'LiveKit has keys and binds every address', check: liveKitOnLoopback },
  C26: { decision: 'the page of the session server is the frontend', check: trialsWithoutPage, only: [dev] },
  C27: { decision: 'one name for one thing, and provider keys are optional', check: twoNamesForOne },
  C28: {
    decision: 'one replica where data allows no second, 1 more and 0 less elsewhere',
    check: rollingAsTheDataAllows,
  },
  C29: { decision: 'no metric has a label of one session', metrics: labelsWithoutEnd },
  C30: {
    decision: 'four states, and a reason for the end',
    shownBy: { file: 'test/domain/session.test.ts', test: 'end reasons are told apart' },
  },
  C31: { decision: 'every image has a version', check: imagesWithoutVersion },
}
