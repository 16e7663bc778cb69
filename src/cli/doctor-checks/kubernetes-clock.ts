import { clockMatters, dateResolutionMs, judgeClock, readClock, setClock } from './clock-skew.ts'
import type { DoctorCheck } from './doctor-check.ts'

export const kubernetesClock: DoctorCheck<'kubernetes'> = {
  name: 'kubernetes-clock',
  title: "The API server's clock agrees with this machine's",
  when: 'always',
  part: 'kubernetes',
  why: clockMatters,
  fix: setClock,
  async run({ transport }, context) {
    const read = async () =>
      Date.parse((await transport.send({ method: 'GET', path: '/version' })).headers.date ?? '')
    return judgeClock("The API server's clock", await readClock(read, context, dateResolutionMs))
  },
}
