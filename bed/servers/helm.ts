import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../repository.ts'

export const chart = join(root, 'manifests/helm/greenroom')

export interface HelmOutcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs to its end; rejects only if the program cannot be started. */
export type Helm = (args: readonly string[]) => Promise<HelmOutcome>

/** Helm with settings, caches and plugins in `folder`, not the user's. */
export function createHelm(folder: string, program: string, kubeconfig = '/dev/null'): Helm {
  const homes = Object.fromEntries(
    ['CACHE', 'CONFIG', 'DATA'].map((what) => [
      `HELM_${what}_HOME`,
      join(folder, 'helm', what.toLowerCase()),
    ]),
  )
  return (args) => {
    const { promise, resolve, reject } = Promise.withResolvers<HelmOutcome>()
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig, ...homes },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, ...output }))
    return promise
  }
}
