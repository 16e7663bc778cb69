/**
 * Calls once the event loop has read what had arrived by now. Its timers run after the reads of one turn and before those of
 * the next, so after a stall a deadline would judge by bytes that wait in the socket.
 */
export function afterReads(call: () => void): void {
  setImmediate(call)
}
