/** What the caller of a bench can put right: told as one sentence, without a stack, with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
