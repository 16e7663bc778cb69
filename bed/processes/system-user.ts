import { spawnSync } from 'node:child_process'

export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

export const isRoot = process.getuid?.() === 0

/** The user of this name, as the machine knows it. */
export function systemUser(name: string): SystemUser | undefined {
  const [uid, gid] = [spawnSync('id', ['-u', name]), spawnSync('id', ['-g', name])].map(
    ({ status, stdout }) => (status === 0 ? Number(stdout.toString()) : undefined),
  )
  return uid === undefined || gid === undefined ? undefined : { uid, gid }
}

/** True if that user may read and enter every one of the paths. Only root can ask. */
export function canRead(user: SystemUser, paths: readonly string[]): boolean {
  const test = paths.map((_, index) => `test -r "$${index + 1}"`).join(' && ')
  return spawnSync('/bin/sh', ['-c', test, 'sh', ...paths], { ...user, cwd: '/' }).status === 0
}
