import { secretsOfComponents } from '../policy/secret-relations.ts'
import { everyPodButComponents, finding, type GreenroomRule } from './greenroom-rule.ts'
import { secretFields, secretReferencesOf } from './pod-secrets.ts'

/** No row may allow these Secrets, so secret-references refuses them as well. This rule holds where that one is only tried. */
export const componentSecrets: GreenroomRule = {
  rule: 'component-secrets',
  title: "The Secrets of Greenroom's own pods",
  fields: secretFields,
  allowed: 'no Secret that a row in `components` names',
  appliesTo: everyPodButComponents,
  mode: 'always',
  mutated: 'no',
  why: 'They sign assignments, open the database and let callers in.',
  fix: 'Leave the reference out; make a Secret of your own.',
  guardsGreenroom: true,
  judge(context) {
    const reserved = secretsOfComponents(context.policy)
    return secretReferencesOf(context)
      .filter(({ secret }) => secret !== undefined && reserved.has(secret))
      .map(({ path, secret }) => finding(path, secret, "none of Greenroom's own components"))
  },
}
