/** An error that a user can meet: the HTTP status that it has or would have, the title, and what to do about it. */
export interface ErrorEntry {
  readonly status: number
  readonly title: string
  readonly remedy: string
}
