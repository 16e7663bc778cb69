/**
 * Processor time of this thread while the work runs, ms. Unlike the clock it does not count the other programs of a busy
 * machine, so that a bound on it says something of the work. Not what other threads do meanwhile (garbage collection).
 */
export function processorMs(work: () => unknown): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}
