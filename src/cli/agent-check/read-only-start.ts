import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/**
 * Starts a command in a mount namespace of its own in which nothing can be written but a temporary folder, as in a pod
 * of Greenroom: there the root is read-only and /tmp is a volume.
 */
export interface ReadOnlyStart {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** What it writes is here, for the caller to remove. */
  readonly folder: string
}

/** $0: the writable folder; $1: where it is mounted. The kernel's own file systems stay as they are. */
const script = `set -eu
folder=$0; place=$1; shift
mount --bind "$folder" "$folder"
while read -r _ path _; do
  case $path in /proc|/proc/*|/sys|/sys/*|/dev|/dev/*|"$folder") ;; *) mount -o remount,bind,ro "$path" ;; esac
done < /proc/self/mounts
[ "$place" = "$folder" ] || mount --bind "$folder" "$place"
exec "$@"`

/** The way to start it, or why this machine has none. */
export function readOnlyStart(command: readonly string[]): ReadOnlyStart | { readonly problem: string } {
  if (process.platform !== 'linux') return { problem: 'needs Linux' }
  const folder = mkdtempSync(join(tmpdir(), 'greenroom-agent-check-'))
  // A program that lies below /tmp must not be hidden by the mount; then TMPDIR alone says where to write.
  const place = liesBelowTmp(command) ? folder : '/tmp'
  const unshare = [
    'unshare',
    ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
    '--mount',
    '--propagation',
    'private',
  ]
  const start = (wanted: readonly string[]) => [...unshare, 'sh', '-c', script, folder, place, ...wanted]
  const [program = '', ...args] = start(['true'])
  const trial = spawnSync(program, args, { encoding: 'utf8' })
  if (trial.status !== 0) {
    rmSync(folder, { recursive: true })
    const why = trial.error?.message ?? trial.stderr.trim().split('\n')[0] ?? ''
    return { problem: `this machine makes no read-only root for it: ${why}` }
  }
  return { command: start(command), env: { TMPDIR: place }, folder }
}

function liesBelowTmp(command: readonly string[]): boolean {
  // The link as well as what it leads to: a Python environment's program is a link to the machine's.
  return [process.cwd(), ...command].some((part) => isBelowTmp(resolve(part)) || isBelowTmp(realPathOf(part)))
}

function isBelowTmp(path: string): boolean {
  return `${path}/`.startsWith('/tmp/')
}

function realPathOf(part: string): string {
  try {
    return realpathSync(resolve(part))
  } catch {
    return ''
  }
}
