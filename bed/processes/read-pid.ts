import { readFile } from 'node:fs/promises'

/** The process number in a pid file. */
export async function readPid(path: string): Promise<number> {
  const pid = Number((await readFile(path, 'utf8')).trim())
  if (!Number.isInteger(pid) || pid <= 0) throw new Error(`no process number in ${path}`)
  return pid
}
