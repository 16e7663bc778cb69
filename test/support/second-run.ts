/**
 * Some bounds that tests hold (an answer in under 2 s, a certificate renewed in time) are those of a machine with a core
 * to spare. A file that fails beside others therefore runs once more, alone, and that run counts; both are shown. What
 * looks for rare interleavings is never asked twice: what it finds once is a fault.
 */

const looksForInterleavings =
  /chaos|storm|model|races|kills|crashes|deadlocks|lost-replies|planted-bug|linearizability|invariant|fuzz|properties/

/** As many may be bad luck. Where more fail, something is broken, and a second run would only take time. */
const mostFiles = 4

/** Which of the failed files run again. */
export function filesForSecondRun(failed: readonly string[]): readonly string[] {
  if (failed.length > mostFiles) return []
  return failed.filter((path) => !looksForInterleavings.test(path))
}
