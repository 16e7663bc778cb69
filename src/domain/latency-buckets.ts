/**
 * Bounds of what Prometheus keeps of a request's time, in seconds: from a step of a warm claim (0.25 ms) to the longest that
 * anybody waits for an answer (30 s). Opens, their steps and agents' answers have the same, so that they can be laid over each other.
 */
export const latencyBuckets = [
  0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.007_5, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
  10, 30,
]
