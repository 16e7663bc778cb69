import { clockMatters, dateResolutionMs, judgeClock, readClock, setClock } from './clock-skew.ts'
import { type DoctorCheck, skipped } from './doctor-check.ts'
import { liveKitAnswer } from './livekit-keys.ts'

export const liveKitClock: DoctorCheck<'livekit'> = {
  name: 'livekit-clock',
  title: "LiveKit's clock agrees with this machine's",
  when: 'always',
  part: 'livekit',
  why: `${clockMatters} LiveKit refuses a token that begins in its future.`,
  fix: setClock,
  async run(keys, context) {
    let told = true
    const read = async () => {
      const date = await liveKitAnswer(keys).then(
        ({ headers }) => headers.get('date'),
        () => null,
      )
      told = date !== null
      return Date.parse(date ?? '')
    }
    const reading = await readClock(read, context, dateResolutionMs)
    return told ? judgeClock("LiveKit's clock", reading) : skipped('LiveKit told no time.')
  },
}
