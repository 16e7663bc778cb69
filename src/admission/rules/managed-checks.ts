import { checkAllowedVolumes } from './allowed-volumes.ts'
import type { GreenroomCheck } from './greenroom-rule.ts'
import { checkImages } from './images.ts'
import { checkOperatingSystem } from './operating-system.ts'
import { checkPoolCredentials } from './pool-credentials.ts'
import { checkSecretReferences } from './secret-references.ts'
import { checkServiceAccount } from './service-account.ts'

/** What Greenroom asks of every pod of the table, whatever system it runs on; the most telling first. */
export const managedChecks: readonly GreenroomCheck[] = [
  {
    rule: 'operating-system',
    title: 'Operating system',
    fields: '`spec.os.name`',
    allowed: 'linux or unset',
    mutated: 'no',
    judge: checkOperatingSystem,
  },
  {
    rule: 'service-account',
    title: "Greenroom's own ServiceAccounts",
    fields: '`spec.serviceAccountName`',
    allowed: "any but those of Greenroom's components",
    mutated: 'no',
    judge: checkServiceAccount,
  },
  {
    rule: 'secret-references',
    title: 'Secrets',
    fields:
      '`env[*].valueFrom.secretKeyRef`, `envFrom[*].secretRef` of every container; `spec.imagePullSecrets`; `spec.volumes[*].secret`, `.projected.sources[*].secret`, `.csi`',
    allowed: "the Secrets in the row's `secrets` and `allowedSecrets`",
    mutated: 'no',
    judge: checkSecretReferences,
  },
  {
    rule: 'images',
    title: 'Images',
    fields: '`image` of every container',
    allowed: "one of the row's `images`, with a digest where the row asks for it",
    mutated: 'no',
    judge: checkImages,
  },
  {
    rule: 'allowed-volumes',
    title: 'Kinds of volumes',
    fields: '`spec.volumes[*]`',
    allowed: "the row's `volumeKinds`",
    mutated: 'no',
    judge: checkAllowedVolumes,
  },
  {
    rule: 'pool-credentials',
    title: 'No session credential in a warm pod',
    fields: '`env[*]` of every container and label `session`, where `greenroom.dev/pool` is set',
    allowed: 'nothing of a session',
    mutated: 'no',
    judge: checkPoolCredentials,
  },
]
