import { execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'

/** A PATH in which every program of scripts/*-k8s.sh is a stub that records its arguments; nothing else is in it. */

/** What the scripts need of the machine. They are recorded too: a secret must be in no argument of any program. */
const realPrograms =
  'awk base64 basename bash cat chmod cut date dirname grep mkdir mv od ps rm sed sh sha256sum sleep sort tr uname'.split(
    ' ',
  )
const stubPrograms = ['docker', 'minikube', 'kind', 'k3s', 'kubectl', 'curl', 'npm'] as const
type StubProgram = (typeof stubPrograms)[number]

const stub = `#!/bin/sh
name=\${0##*/}
printf '%s\\n' "$name $*" >>"$STUB_FOLDER/calls"
while IFS= read -r pattern; do
  case "$name $*" in $pattern) exit 1 ;; esac
done <"$STUB_FOLDER/failing"
case "$name $*" in
  *"apply --server-side"*"-f -") cat >>"$STUB_FOLDER/applied" ;;
  *"kubectl"*" kustomize "*) cat "$STUB_FOLDER/rendered" ;;
  *" get secret "*resourceVersion*) if [ -f "$STUB_FOLDER/changing" ]; then grep -c '' "$STUB_FOLDER/calls"; fi ;;
  *" get secret "*jsonpath*)
    key=\${*##*.data.}
    for word in "$@"; do case $word in session-*|postgres|redis|livekit) file="$STUB_FOLDER/kept-$word-\${key%\\}}" ;; esac; done
    if [ -f "$file" ]; then cat "$file"; fi ;;
  *" get statefulsets,deployments -n ai-agents"*) echo statefulset.apps/postgres; echo deployment.apps/session-management-server ;;
  *" get statefulsets,deployments "*) echo deployment.apps/agent-webhook ;;
  *" port-forward "*) echo $$ >>"$STUB_FOLDER/forwarding"; exec sleep 60 ;;
  "minikube status"*) [ -f "$STUB_FOLDER/minikube-runs" ] ;;
  "minikube start"*) : >"$STUB_FOLDER/minikube-runs" ;;
  "minikube docker-env"*) echo 'export DOCKER_HOST=tcp://stub' ;;
  "docker buildx"*) echo sha256:stub ;;
  "npm run"*) printf 'kind: Secret # assign key\\n' ;;
  curl*) for word in "$@"; do case $last in -o) echo fetched >"$word" ;; esac; last=$word; done ;;
esac
`

export interface Outcome {
  readonly code: number
  readonly output: string
}

export async function startStubs(
  t: Test,
  { without = [] }: { readonly without?: readonly StubProgram[] } = {},
) {
  const folder = await temporaryFolder('k8s-stubs')
  t.teardown(() => folder.remove())
  const [bin, state] = [join(folder.path, 'bin'), join(folder.path, 'state')]
  await mkdir(bin)
  const place = async (name: string, text: string) => {
    await writeFile(join(bin, name), text)
    await chmod(join(bin, name), 0o755)
  }
  for (const name of realPrograms) {
    const real = execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim()
    const record =
      name === 'sh' || name === 'bash' ? '' : `printf '%s\\n' "${name} $*" >>"$STUB_FOLDER/calls"\n`
    await place(name, `#!/bin/sh\n${record}exec ${real} "$@"\n`)
  }
  for (const name of stubPrograms) if (!without.includes(name)) await place(name, stub)
  const at = (name: string) => join(folder.path, name)
  const read = (name: string) => readFile(at(name), 'utf8').catch(() => '')
  const write = (name: string, text: string) => writeFile(at(name), text)
  const service = (name: string) => `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n`
  await write('rendered', ['postgres', 'redis', 'livekit'].map(service).join('---\n'))
  await write('failing', '')
  await write('.env', '')
  const env = {
    PATH: bin,
    HOME: folder.path,
    STUB_FOLDER: folder.path,
    GREENROOM_K8S_STATE: state,
    GREENROOM_K8S_PAUSE: '0.05',
  }
  const spawnScript = (script: string, args: readonly string[], options: SpawnOptions = {}) => {
    const own = script === 'start-k8s.sh' ? ['--env', at('.env')] : []
    return spawn(join(bin, 'bash'), [join(root, 'scripts', script), ...own, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    })
  }
  async function run(script: string, ...args: readonly string[]): Promise<Outcome> {
    const child = spawnScript(script, args)
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    child.once('error', reject)
    child.once('close', resolve)
    return { code: (await promise) ?? -1, output }
  }
  /** Calls of the cluster's programs, without the machine's own. */
  const calls = async (): Promise<readonly string[]> =>
    (await read('calls'))
      .split('\n')
      .filter((line) => stubPrograms.some((name) => line.startsWith(`${name} `)))
  return { run, spawnScript, calls, read, write, state, bin, allCalls: () => read('calls') }
}
