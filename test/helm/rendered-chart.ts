import { parseAllDocuments } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { chart, createHelm, type Helm } from '../../bed/servers/helm.ts'
import { findHelm } from '../../bed/set-up/binaries.ts'
import type { Manifest } from '../support/built-manifests.ts'

/** The chart as Helm renders it. */

export async function testHelm(): Promise<{ readonly helm: Helm; readonly remove: () => Promise<void> }> {
  const program = findHelm()
  if (!program) throw new Error('helm is missing: run "npm run setup -- --tests" first')
  const folder = await temporaryFolder('helm')
  return { helm: createHelm(folder.path, program), remove: () => folder.remove() }
}

/** Every object, hooks included, rendered once for the same arguments. Rejects with Helm's own words. */
export function render(helm: Helm, args: readonly string[] = []): Promise<readonly Manifest[]> {
  const key = JSON.stringify(args)
  const known = renderings.get(key) ?? renderNow(helm, args)
  renderings.set(key, known)
  return known
}

const renderings = new Map<string, Promise<readonly Manifest[]>>()

async function renderNow(helm: Helm, args: readonly string[]): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await helm(['template', 'greenroom', chart, ...args])
  if (code !== 0) throw new Error(stderr.trim())
  return objectsIn(stdout)
}

/** YAML 1.1, as Kubernetes reads it: 0440 is octal. */
export function objectsIn(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { version: '1.1' })
    .map((document) => document.toJS() as Manifest | null)
    .filter((object) => object !== null)
}
