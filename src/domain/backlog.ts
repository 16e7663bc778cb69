/** How much of what PostgreSQL has committed is not over, or not told yet. */
export interface Backlog {
  readonly sessions: readonly {
    readonly agentType: string
    readonly status: string
    readonly count: number
  }[]
  readonly events: {
    /** Without a number, so that no follower sees them. */
    readonly unnumbered: number
    /** Of the oldest of them; 0 without. */
    readonly oldestSeconds: number
  }
  readonly webhooks: {
    readonly active: number
    readonly failing: number
    readonly disabled: number
    /** Of the one that fails longest; 0 while none does. */
    readonly failingSeconds: number
  }
}

export interface BacklogReader {
  read(): Promise<Backlog>
}
