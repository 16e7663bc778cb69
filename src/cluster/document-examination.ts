/** Judges a valid document before it comes into force. One process decides, and tells the others by the accepted ConfigMap. */
export interface DocumentExaminer<T> {
  /** Whether this process decides. The others take a valid document until the one that decides refuses it. */
  decides(): boolean
  /** The problems for which `next` is refused; none lets it into force. Never rejects. */
  examine(next: T, inForce: T | undefined): Promise<readonly string[]>
}

interface Examined<T> {
  readonly text: string
  readonly value: T
}

/** What an examiner found of the latest text, and the last document that passed. One examination of a text at a time. */
export function createDocumentExamination<T>(examiner: DocumentExaminer<T>) {
  let latest: { readonly text: string; readonly problems: readonly string[] } | undefined
  let underWay: { readonly text: string; readonly done: Promise<void> } | undefined
  let passed: Examined<T> | undefined

  return {
    decides: () => examiner.decides(),
    /** Of this text; undefined if it must be examined first. */
    problemsOf: ({ text }: Examined<T>): readonly string[] | undefined =>
      passed?.text === text ? [] : latest?.text === text ? latest.problems : undefined,
    hasPassed: ({ text }: Examined<T>): boolean => passed?.text === text,
    /** The watch of what is kept may not show it yet. */
    pass(document: Examined<T>): void {
      passed = document
    },
    /** Calls `then` when it is known what is to be said of this document. */
    begin({ text, value }: Examined<T>, then: () => void): void {
      if (underWay?.text === text) return
      const run = async (): Promise<void> => {
        const problems = await examiner.examine(value, passed?.value)
        latest = { text, problems }
        if (underWay?.text === text) underWay = undefined
        then()
      }
      underWay = { text, done: run() }
    },
    /** What was refused may pass now. What is kept has passed, by whatever process. */
    beginAgain(kept: Examined<T> | undefined): void {
      latest = undefined
      passed = kept
    },
    settled: async (): Promise<void> => underWay?.done,
  }
}
