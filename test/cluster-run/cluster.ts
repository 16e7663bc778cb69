import { dirname } from 'node:path'
import { createKubectl, type Kubectl, type KubectlOptions } from '../../bed/servers/kubectl.ts'
import { findControlPlane, inPath } from '../../bed/set-up/binaries.ts'

/** kubectl of one cluster, whose failures are errors. */
export interface Cluster {
  /** Where kubectl is, for a shell's PATH. */
  readonly programFolder: string
  readonly kubectl: Kubectl
  /** Standard output; throws with kubectl's own words. */
  readonly run: (args: readonly string[], options?: KubectlOptions) => Promise<string>
  /** Parsed `-o json`. */
  readonly read: <T>(args: readonly string[]) => Promise<T>
  /** Server-side apply of YAML or JSON documents. */
  readonly apply: (documents: string) => Promise<void>
}

/** `folder`: for kubectl's cache. */
export function connectCluster(kubeconfig: string, folder: string): Cluster {
  const program = findControlPlane()?.kubectl ?? inPath('kubectl')
  if (!program) throw new Error('kubectl is missing: put it into PATH, or run "npm run setup"')
  const kubectl = createKubectl(folder, program, kubeconfig)
  async function run(args: readonly string[], options?: KubectlOptions): Promise<string> {
    const { code, stdout, stderr } = await kubectl(args, options)
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`)
    return stdout
  }
  return {
    programFolder: dirname(program),
    kubectl,
    run,
    read: async <T>(args: readonly string[]) => JSON.parse(await run([...args, '-o', 'json'])) as T,
    async apply(documents) {
      await run(['apply', '--server-side', '-f', '-'], { input: documents })
    },
  }
}
