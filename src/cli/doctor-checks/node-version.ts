import { type DoctorCheck, type Finding, failed, isBelow, ok, versionOf } from './doctor-check.ts'

/** As `engines` of package.json has it; a test compares the two. */
export const oldestNode = [24, 12] as const

export const nodeVersion: DoctorCheck<'machine'> = {
  name: 'node-version',
  title: 'Node.js runs the sources as they are',
  when: 'always',
  part: 'machine',
  why: 'Greenroom runs TypeScript unbuilt, which needs Node 24.12 or later.',
  fix: 'npx --yes node@26 src/main.ts doctor',
  run: () => Promise.resolve(judgeNode(process.version)),
}

export function judgeNode(version: string): Finding {
  if (isBelow(versionOf(version), oldestNode))
    return failed(`This is Node ${version}; ${oldestNode.join('.')} is the oldest that works.`)
  return ok(`Node ${version}.`)
}
