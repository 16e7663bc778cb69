import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { settledWithin } from '../processes/settled-within.ts'
import { type Program, startProgram } from '../processes/start-program.ts'
import { controlPlaneModule, isExecutable } from './binaries.ts'
import { SetupError } from './set-up-error.ts'

interface BuildOptions {
  /** Path of the Go program. */
  readonly go: string
  /** Where the programs go; the cache. */
  readonly folder: string
  readonly say: (line: string) => void
}

/** In the order of the build; kube-apiserver compiles most of what the others share. */
const programs = [
  { name: 'kube-apiserver', package: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  { name: 'kubectl', package: 'k8s.io/kubernetes/cmd/kubectl' },
  { name: 'etcd', package: 'go.etcd.io/etcd/server/v3' },
] as const

const progressEveryMs = 30_000

/** Builds what is missing from the modules that `control-plane/go.mod` pins. Throws SetupError. */
export async function buildControlPlane({ go, folder, say }: BuildOptions): Promise<void> {
  const begin = performance.now()
  await mkdir(folder, { recursive: true })
  say('building kube-apiserver, kubectl and etcd with Go, once: about 7 minutes on two cores')
  for (const { name, package: goPackage } of programs) {
    const target = join(folder, name)
    if (isExecutable(target)) continue
    const started = performance.now()
    const part = `${target}.${process.pid}.part`
    const logPath = join(folder, `${name}.log`)
    await rm(logPath, { force: true })
    const build = await startProgram({
      command: go,
      args: ['build', '-trimpath', '-ldflags', '-s -w', '-o', part, goPackage],
      cwd: controlPlaneModule,
      env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
      logPath,
    })
    await tellProgress(build, () => say(`  ${name}: compiling, ${elapsed(started)}`))
    const { code } = await build.ended
    if (code !== 0) {
      await rm(part, { force: true })
      throw new SetupError(
        `go build of ${name} failed: ${(await readFile(logPath, 'utf8')).trim().slice(-500)}`,
      )
    }
    // Renamed into place, so that nobody finds half a program.
    await rename(part, target)
    await rm(logPath, { force: true })
    say(`  ${name}: built in ${elapsed(started)}`)
  }
  say(`built the control plane in ${elapsed(begin)}`)
}

async function tellProgress(build: Program, tell: () => void): Promise<void> {
  while (!(await settledWithin(build.ended, progressEveryMs))) tell()
}

/** `75 s` or `6 min 15 s`. */
function elapsed(since: number): string {
  const seconds = Math.round((performance.now() - since) / 1_000)
  return seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
