import { setTimeout as sleep } from 'node:timers/promises'

/** Polls until the state is there; throws with `what` after `timeoutMs`. */
export async function waitUntil(
  what: string,
  state: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await state())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await sleep(5)
  }
}
