import { label } from '../../domain/names.ts'
import { isSessionCredential } from '../policy/session-credentials.ts'
import { everyContainer } from './field-path.ts'
import { everyPod, type Finding, finding, type GreenroomRule } from './greenroom-rule.ts'

export const poolCredentials: GreenroomRule = {
  rule: 'pool-credentials',
  title: 'No session credential in a warm pod',
  fields: [
    `metadata.labels[${label.pool}]`,
    `metadata.labels[${label.session}]`,
    `${everyContainer}.env[*].{name,valueFrom.secretKeyRef.key}`,
  ],
  allowed: `where \`${label.pool}\` is set: no label \`session\` on a new pod, no variable or key named like a credential of a session`,
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'A warm pod belongs to no session yet, so it must hold nothing of one.',
  fix: 'Remove it: a warm pod belongs to no session yet, and gets what it needs with the assignment.',
  judge({ pod, podClass, containers, isNew }) {
    const { [label.pool]: pool, [label.session]: session } = pod.metadata?.labels ?? {}
    if (pool === undefined) return []
    const inLabel = isNew && session !== undefined ? [sessionLabel] : []
    // The row of a component lists its variables one by one.
    if (podClass.kind === 'component') return inLabel
    const inEnv = containers.flatMap(({ container, path }) =>
      (container.env ?? []).flatMap(({ name, valueFrom }): Finding[] => {
        if (isSessionCredential(name)) return [finding(`${path}.env[${name}]`, name, allowedNames)]
        const key = valueFrom?.secretKeyRef?.key
        return key !== undefined && isSessionCredential(key)
          ? [finding(`${path}.env[${name}].valueFrom.secretKeyRef.key`, key, allowedNames)]
          : []
      }),
    )
    return [...inLabel, ...inEnv]
  },
}

const allowedNames = 'nothing of a session'

const sessionLabel: Finding = {
  path: `metadata.labels[${label.session}]`,
  found: 'set',
  allowed: 'unset on a new pod of a pool',
  fix: 'Remove it: a warm pod belongs to no session yet.',
}
