import { controlPlaneModule } from './binaries.ts'
import { buildGoProgram, elapsed } from './go-program.ts'

interface BuildOptions {
  /** Path of Go itself. */
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

/** Builds what is missing from the modules that `control-plane/go.mod` pins. Throws SetupError. */
export async function buildControlPlane(options: BuildOptions): Promise<void> {
  const begin = performance.now()
  options.say('building kube-apiserver, kubectl and etcd with Go, once: about 7 minutes on two cores')
  for (const program of programs) await buildGoProgram({ ...program, module: controlPlaneModule }, options)
  options.say(`built the control plane in ${elapsed(begin)}`)
}
