import type { V1Probe } from '@kubernetes/client-node'
import { pause } from '../../src/timing/pause.ts'
import { type ProbeTarget, probeOnce } from './probe.ts'

interface HealthListener {
  /** The startup probe succeeded, or there is none. */
  onStarted(): void
  onReady(ready: boolean): void
  /** The startup or liveness probe failed for good: the container must be killed. */
  onUnhealthy(message: string): void
}

/**
 * A real kubelet probes once after the start and then waits a whole period. Here a container that is not yet ready is
 * probed again every 50 ms, for at most half a minute: the pod is Ready when its program is, and the bed measures how
 * long the program takes to start. These extra probes never count as failures.
 */
const promptMs = 50
const promptForMs = 30_000

/** Runs the container's probes until the signal comes. Never rejects. */
export async function watchHealth(
  target: ProbeTarget,
  listener: HealthListener,
  signal: AbortSignal,
): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = target.container
  const startedAt = performance.now()
  if (startupProbe) {
    const started = await untilHealthy(startupProbe, { target, startedAt, signal })
    if (signal.aborted) return
    if (!started) return listener.onUnhealthy('startup probe failed')
  }
  listener.onStarted()
  if (!readinessProbe) listener.onReady(true)
  await Promise.all([
    readinessProbe && followReadiness(readinessProbe, { target, startedAt, signal }, listener),
    livenessProbe && followLiveness(livenessProbe, { target, startedAt, signal }, listener),
  ])
}

interface Following {
  readonly target: ProbeTarget
  readonly startedAt: number
  readonly signal: AbortSignal
}

const periodMsOf = (probe: V1Probe) => (probe.periodSeconds ?? 10) * 1_000

async function waitInitialDelay(probe: V1Probe, { startedAt, signal }: Following): Promise<void> {
  const dueInMs = startedAt + (probe.initialDelaySeconds ?? 0) * 1_000 - performance.now()
  if (dueInMs > 0) await pause(dueInMs, signal)
}

/** False if `failureThreshold` periods passed without a success. */
async function untilHealthy(probe: V1Probe, following: Following): Promise<boolean> {
  const { target, startedAt, signal } = following
  await waitInitialDelay(probe, following)
  if (signal.aborted) return false
  const allowedMs = periodMsOf(probe) * (probe.failureThreshold ?? 3)
  const begin = performance.now()
  for (;;) {
    const { healthy } = await probeOnce(probe, target)
    if (healthy && !signal.aborted) return true
    if (signal.aborted || performance.now() - begin >= allowedMs) return false
    const prompt = performance.now() - startedAt < promptForMs
    await pause(prompt ? promptMs : periodMsOf(probe), signal)
    if (signal.aborted) return false
  }
}

async function followReadiness(
  probe: V1Probe,
  following: Following,
  listener: HealthListener,
): Promise<void> {
  const { target, startedAt, signal } = following
  await waitInitialDelay(probe, following)
  if (signal.aborted) return
  let ready = false
  let everReady = false
  let inRow = 0
  for (;;) {
    const { healthy } = await probeOnce(probe, target)
    if (signal.aborted) return
    inRow = healthy === ready ? 0 : inRow + 1
    const threshold = ready ? (probe.failureThreshold ?? 3) : (probe.successThreshold ?? 1)
    if (inRow >= threshold) {
      ready = healthy
      everReady ||= ready
      inRow = 0
      listener.onReady(ready)
    }
    const prompt = !everReady && performance.now() - startedAt < promptForMs
    await pause(prompt ? promptMs : periodMsOf(probe), signal)
    if (signal.aborted) return
  }
}

async function followLiveness(probe: V1Probe, following: Following, listener: HealthListener): Promise<void> {
  const { target, signal } = following
  await waitInitialDelay(probe, following)
  if (signal.aborted) return
  let failures = 0
  for (;;) {
    const result = await probeOnce(probe, target)
    if (signal.aborted) return
    failures = result.healthy ? 0 : failures + 1
    if (!result.healthy && failures >= (probe.failureThreshold ?? 3)) {
      return listener.onUnhealthy(`liveness probe failed: ${result.message}`)
    }
    await pause(periodMsOf(probe), signal)
    if (signal.aborted) return
  }
}
