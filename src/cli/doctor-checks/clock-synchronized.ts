import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type DoctorCheck, ok, skipped, warning } from './doctor-check.ts'

const answerMs = 3_000

export const clockSynchronized: DoctorCheck<'machine'> = {
  name: 'clock-synchronized',
  title: "This machine's clock follows a time server (NTP)",
  when: 'always',
  part: 'machine',
  why: 'Tokens and certificates carry times. A clock that follows nobody drifts away from the others.',
  fix: 'sudo timedatectl set-ntp true',
  async run() {
    const says = await answerOf('timedatectl', ['show', '--property=NTPSynchronized', '--value'])
    if (says === 'yes') return ok('timedatectl: synchronized.')
    if (says === 'no') return warning('timedatectl: not synchronized.')
    const tracking = await answerOf('chronyc', ['-n', 'tracking'])
    const leap = /^Leap status\s*:\s*(.+)$/m.exec(tracking)?.[1]
    if (leap === 'Normal') return ok('chronyc: synchronized.')
    if (leap !== undefined) return warning(`chronyc: ${leap.toLowerCase()}.`)
    return skipped(
      'Neither timedatectl nor chronyc answers here; the clocks of the other parts are compared.',
    )
  },
}

/** Empty where there is no such program, or it fails: in a container there is neither. */
async function answerOf(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, [...args], { timeout: answerMs })).stdout.trim()
  } catch {
    return ''
  }
}
