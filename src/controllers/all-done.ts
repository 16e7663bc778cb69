/** Waits for all of them, whatever becomes of the others, and throws the first error only then: nothing runs on unseen. */
export async function allDone(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const outcomes = await Promise.allSettled(work.map((one) => Promise.resolve(one)))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
