import type { V1Deployment } from '@kubernetes/client-node'
import { type ManifestSet, ofKind, type SourceFile } from '../manifest-set.ts'

/** Rules about what is written, where kustomize's answer no longer shows it. */

/** Removed, or on their way out, in kustomize 5. */
const oldFields = ['patchesStrategicMerge', 'patchesJson6902', 'bases', 'commonLabels', 'vars']

export function oldKustomizeFields(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, document }) =>
    oldFields.filter((field) => field in document).map((field) => `${path} has ${field}`),
  )
}

/** Port 5173 of the documents leads to the page of the session server, so a trial has it on. */
export function trialsWithoutPage(set: ManifestSet): string[] {
  const server = ofKind<V1Deployment>(set, 'Deployment').find(
    ({ metadata }) => metadata.name === 'session-management-server',
  )
  const env = server?.spec?.template.spec?.containers[0]?.env ?? []
  return env.some(({ name, value }) => name === 'GREENROOM_TRY_PAGE' && value === 'true')
    ? []
    : ['the session server has no page to try']
}

/** The text of a test says what it shows; a renamed one shows it no longer. */
export function missingTest(text: string, title: string): string[] {
  return text.includes(`'${title}'`) || text.includes(`"${title}"`) ? [] : [`no test is called "${title}"`]
}
