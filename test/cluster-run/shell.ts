import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Bench } from './scenario.ts'

/** A shell as a person has it: what they type, in a folder, with kubectl and the cluster. */

/** Lines of a README, in a folder; what they print. Throws when they fail. */
export async function runShell(bench: Bench, folder: string, lines: string): Promise<string> {
  const shell = startShell(bench, folder, lines)
  const code = await shell.ended
  if (code !== 0) throw new Error(`ended with ${code}: ${shell.text().trim()}`)
  return shell.text()
}

/** As a person's shell with kubectl in its path. */
export function startShell(
  { kubeconfig, cluster, folder: scratch }: Bench,
  folder: string,
  command: string,
  input = '',
) {
  const path = `${cluster.programFolder}:${process.env.PATH ?? ''}`
  // kubectl attaches to a pod with `-it` only from a terminal: `script` is one. Without a size psql would page one line.
  const [program, args] = / -it /.test(command)
    ? (['script', ['-qec', `stty rows 40 columns 120; ${command}`, '/dev/null']] as const)
    : (['bash', ['-c', command]] as const)
  const child = spawn(program, args, {
    cwd: folder,
    env: {
      ...process.env,
      SHELL: '/bin/bash',
      PATH: path,
      KUBECONFIG: kubeconfig,
      KUBECACHEDIR: join(scratch, 'kubectl-cache'),
    },
    // A process group of its own, so that what the shell has started ends with it.
    detached: true,
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  let ended = false
  child.once('close', (code) => {
    ended = true
    resolve(code)
  })
  return {
    ended: promise,
    hasEnded: () => ended,
    text: () => text,
    end() {
      if (!ended && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    },
  }
}
