import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../../bed/repository.ts'
import { shellCheck } from '../../support/shell-check.ts'

/** The scripts of bed/cluster without a cluster. `bed/cluster/check` tries a running one. */

const folder = join(root, 'bed/cluster')
const isProgram = (name: string) => {
  const { mode } = statSync(join(folder, name))
  return (mode & 0o170_000) === 0o100_000 && (mode & 0o111) !== 0
}
const programs = readdirSync(folder).filter(isProgram)
const sourced = readdirSync(folder).filter((name) => name.endsWith('.sh'))

function bash(script: string, env: Readonly<Record<string, string>> = {}) {
  const { PATH = '', HOME = '' } = process.env
  return spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8', env: { PATH, HOME, ...env } })
}

void t.test('every program stops at its first mistake and says how it is used', async (t) => {
  t.ok(programs.includes('up') && programs.includes('down'), programs.join())
  for (const name of programs) {
    const text = readFileSync(join(folder, name), 'utf8')
    t.match(text, /^#!\/usr\/bin\/env bash\n# \S/, name)
    // `check` goes on after a failed check.
    t.match(text, name === 'check' ? /^set -uo pipefail$/m : /^set -euo pipefail$/m, name)
    t.equal(spawnSync('bash', ['-n', join(folder, name)]).status, 0, name)
  }
})

void t.test('shellcheck has nothing to say', async (t) => {
  const names = [...programs, ...sourced, 'images/node-entrypoint']
  t.equal(shellCheck(names.map((name) => join(folder, name))), '')
})

void t.test('what is missing is said with the line that brings it', async (t) => {
  const { status, stderr } = bash(
    'source ./layout.sh; need "bash bash" "none-such none-package more" "none-else other"',
  )
  t.equal(status, 1)
  t.equal(
    stderr,
    'error: missing: none-such none-else; on Debian or Ubuntu: apt-get install -y none-package more other\n',
  )
  t.equal(bash('source ./layout.sh; need "bash bash"').status, 0)
})

void t.test('whether this machine can run a cluster is one sentence', async (t) => {
  // On a machine that cannot, the sentence says why.
  const { status, stdout, stderr } = bash('./can-run')
  if (status === 0) t.equal(`${stdout}${stderr}`, 'This machine can run the cluster.\n')
  else t.match(`${stdout}${stderr}`, /^This machine cannot run the cluster: .+\n$/)
  const without = t.testdir({ uname: '#!/bin/sh\necho Darwin\n', id: '#!/bin/sh\necho 501\n' })
  const sentence = (setUp: string) => {
    const said = bash(`${setUp}; ./can-run`, { FAKES: without })
    t.equal(said.status, 1, setUp)
    return said.stderr
  }
  const fake = (name: string) =>
    `chmod +x $FAKES/${name}; mkdir -p $FAKES/only-${name}; cp $FAKES/${name} $FAKES/only-${name}/; PATH=$FAKES/only-${name}:$PATH`
  t.equal(sentence(fake('uname')), 'This machine cannot run the cluster: it is not Linux.\n')
  t.equal(sentence(fake('id')), 'This machine cannot run the cluster: that needs root.\n')
})

void t.test('a cluster that is not there is said so', async (t) => {
  for (const name of ['down', 'facts', 'check']) {
    const cache = t.testdir()
    const { status, stderr } = bash(`./${name}`, { GREENROOM_CACHE: cache })
    t.equal(status, 1, name)
    t.equal(stderr, 'error: no cluster found; start one with ./up\n', name)
  }
})

void t.test('the versions are those of go.mod, and Kubernetes is that of the bed', async (t) => {
  const { stdout } = bash('source ./layout.sh; echo "$kube_version $containerd_version $kube_router_version"')
  t.match(stdout, /^v1\.\d+\.\d+ v2\.\d+\.\d+ v2\.\d+\.\d+\n$/)
  const bed = readFileSync(join(root, 'bed/set-up/control-plane/go.mod'), 'utf8')
  t.match(bed, `k8s.io/kubernetes ${stdout.split(' ')[0]}`)
})

void t.test('a module of somebody else is built, none of ours', async (t) => {
  for (const name of readdirSync(join(folder, 'modules')))
    t.same(readdirSync(join(folder, 'modules', name)).toSorted(), ['go.mod', 'go.sum'], name)
})
