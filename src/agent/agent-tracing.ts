import { startTracing, type Tracing, type TracingSettings, wantsTracing } from '../tracing/start-tracing.ts'
import type { AgentLog } from './agent-log.ts'

/**
 * Records spans of the agent if its environment asks for them; an idle agent that is not traced loads nothing. It serves as
 * well when the packages of OpenTelemetry are not there.
 */
export async function startAgentTracing(
  env: TracingSettings,
  { agentType = 'unknown', podName }: { readonly agentType: string | undefined; readonly podName: string },
  log: AgentLog,
): Promise<Tracing | undefined> {
  if (!wantsTracing(env)) return undefined
  try {
    return await startTracing(env, {
      service: agentType,
      instance: podName,
      onOutcome() {},
      onChange: (isWell, error) =>
        isWell
          ? log('info', 'the collector takes spans again')
          : log('warn', 'the collector takes no spans', { reason: error?.message }),
    })
  } catch (error) {
    log('warn', 'not traced: the packages @opentelemetry/* cannot be loaded', {
      code: (error as NodeJS.ErrnoException).code,
    })
    return undefined
  }
}
