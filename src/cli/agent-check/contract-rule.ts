import type { Trial } from './trial.ts'

/**
 * One rule of the agent contract, and how it is tried. To add one: an object in a file of `rules/`, and a fault in the
 * broken agent of the tests that it finds.
 */
export interface ContractRule {
  /** Its name in the report. Scripts rely on it. */
  readonly rule: string
  /** What an agent does, as a sentence without its subject. */
  readonly title: string
  /** What to do if it does not. */
  readonly fix: string
  /**
   * The agent that the rule needs. `idle`: no session, and none afterwards; `serving`: its session, and the same
   * afterwards. These share agents. `own`: an idle one that no other rule gets.
   */
  readonly on: 'idle' | 'serving' | 'own'
  /** Its agent runs with the root file system read-only. */
  readonly readOnlyRoot?: true
  /** Resolves with what was seen. @throws RuleBroken, NotTried */
  readonly check: (trial: Trial) => Promise<string>
}

/** The agent does not keep the rule. The message says what was seen. */
export class RuleBroken extends Error {
  override readonly name = 'RuleBroken'
}

/** The rule could not be tried. The message says why. */
export class NotTried extends Error {
  override readonly name = 'NotTried'
}
