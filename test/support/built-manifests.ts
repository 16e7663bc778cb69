import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { createKubectl } from '../../bed/servers/kubectl.ts'
import { findControlPlane } from '../../bed/set-up/binaries.ts'

/** The manifests as kustomize builds them. */

export const manifests = fileURLToPath(new URL('../../manifests', import.meta.url))
export const base = join(manifests, 'base')

export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; labels?: Record<string, string> }
}
export interface ConfigMap extends Manifest {
  readonly data: Record<string, string>
}

export async function build(folder: string): Promise<Manifest[]> {
  const kubectl = findControlPlane()?.kubectl
  if (!kubectl) throw new Error('kubectl is missing: run "npm run setup" first')
  await using scratch = await temporaryFolder('kustomize')
  const { code, stdout, stderr } = await createKubectl(
    scratch.path,
    kubectl,
    '/dev/null',
  )(['kustomize', folder])
  if (code !== 0) throw new Error(stderr)
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest)
}

export const objects = await build(base)

/** The types are the API's; that the documents match them is what the API server checks below. */
export function all<T>(kind: string): (T & Manifest)[] {
  return objects.filter((object) => object.kind === kind) as (T & Manifest)[]
}

export function one<T>(kind: string, name: string): T & Manifest {
  const found = all<T>(kind).find(({ metadata }) => metadata.name === name)
  if (!found) throw new Error(`no ${kind} ${name}`)
  return found
}
