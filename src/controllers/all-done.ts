/** Waits until all of them have settled, then throws the first error. So no work goes on unseen after a failure. */
export async function allDone(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const outcomes = await Promise.allSettled(work.map((one) => Promise.resolve(one)))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
