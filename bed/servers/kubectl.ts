import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export interface KubectlOptions {
  readonly input?: string
  /** Path; the administrator's unless given. */
  readonly kubeconfig?: string
}
export interface KubectlOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs to its end; rejects only if the program cannot be started. */
export type Kubectl = (args: readonly string[], options?: KubectlOptions) => Promise<KubectlOutcome>

/** Runs kubectl as the administrator unless told otherwise; its discovery cache stays in `folder`. */
export function createKubectl(folder: string, program: string, adminKubeconfig: string): Kubectl {
  return (args, { input = '', kubeconfig = adminKubeconfig } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<KubectlOutcome>()
    const child = spawn(program, ['--cache-dir', join(folder, 'kubectl-cache'), ...args], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text
    })
    // It may end without reading its input.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, ...output }))
    return promise
  }
}

/** Server-side apply of each path, in order. */
export async function applyAll(kubectl: Kubectl, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const { code, stderr } = await kubectl(['apply', '--server-side', ...applyFlag(path)])
    if (code !== 0) throw new Error(`kubectl apply of ${path} failed: ${stderr.trim()}`)
  }
}

function applyFlag(path: string): string[] {
  return [existsSync(join(path, 'kustomization.yaml')) ? '-k' : '-f', path]
}
