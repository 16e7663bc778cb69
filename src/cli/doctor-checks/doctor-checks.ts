import { clockSynchronized } from './clock-synchronized.ts'
import type { DoctorCheck } from './doctor-check.ts'
import { imagesPulled } from './images-pulled.ts'
import { kubernetesClock } from './kubernetes-clock.ts'
import { kubernetesVersion } from './kubernetes-version.ts'
import { liveKitClock } from './livekit-clock.ts'
import { liveKitKeys } from './livekit-keys.ts'
import { migrationsApplied } from './migrations-applied.ts'
import { namespacesLabelled } from './namespaces-labelled.ts'
import { nodeVersion } from './node-version.ts'
import { policyDocumentValid } from './policy-document-valid.ts'
import { poolsDocument } from './pools-document.ts'
import { postgresqlClock } from './postgresql-clock.ts'
import { postgresqlConnections } from './postgresql-connections.ts'
import { postgresqlDurability } from './postgresql-durability.ts'
import { postgresqlPooler } from './postgresql-pooler.ts'
import { postgresqlTimeouts } from './postgresql-timeouts.ts'
import { postgresqlVersion } from './postgresql-version.ts'
import { quotaFitsPools } from './quota-fits-pools.ts'
import { redisClock } from './redis-clock.ts'
import { redisEviction } from './redis-eviction.ts'
import { redisMemory } from './redis-memory.ts'
import { redisPersistence } from './redis-persistence.ts'
import { redisVersion } from './redis-version.ts'
import { rightsOfAccounts } from './rights-of-accounts.ts'
import { rightsToInstall } from './rights-to-install.ts'
import { webhookCalled } from './webhook-called.ts'
import { webhookCertificate } from './webhook-certificate.ts'

/** Every check, in the order of the table: part by part. */
export const doctorChecks: readonly DoctorCheck[] = [
  nodeVersion,
  clockSynchronized,
  kubernetesVersion,
  kubernetesClock,
  rightsToInstall,
  rightsOfAccounts,
  namespacesLabelled,
  policyDocumentValid,
  poolsDocument,
  quotaFitsPools,
  webhookCertificate,
  webhookCalled,
  imagesPulled,
  postgresqlVersion,
  postgresqlClock,
  postgresqlPooler,
  postgresqlDurability,
  postgresqlTimeouts,
  postgresqlConnections,
  migrationsApplied,
  redisVersion,
  redisClock,
  redisEviction,
  redisPersistence,
  redisMemory,
  liveKitKeys,
  liveKitClock,
]
