import { GreenroomError } from '../errors.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { startTracing, type Tracing, type TracingSettings, wantsTracing } from '../tracing/start-tracing.ts'

interface SpansContext {
  readonly service: string
  readonly instance: string
  readonly lifecycle: Lifecycle
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'traceSpans'>
}

/**
 * Records spans in this process if its environment asks for them. It is the first part, so that it stops last and sends
 * what the others did while they stopped.
 */
export async function startSpans(
  settings: TracingSettings,
  { service, instance, lifecycle, logger, metrics }: SpansContext,
): Promise<void> {
  if (!wantsTracing(settings)) return
  let tracing: Tracing | undefined
  await lifecycle.start({
    name: 'tracing',
    async start() {
      try {
        tracing = await startTracing(settings, {
          service,
          instance,
          onOutcome: (outcome, count) => metrics.traceSpans.inc({ outcome }, count),
          onChange(isWell, error) {
            if (isWell) logger.info('the collector takes spans again')
            else
              logger.warn(
                { reason: error?.message },
                'the collector takes no spans; they are counted and dropped',
              )
          },
        })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
        const detail = 'Tracing needs the optional packages @opentelemetry/*, which are not installed'
        if (settings.GREENROOM_TRACING === true) throw new GreenroomError('GRN_INVALID_CONFIG', `${detail}.`)
        logger.warn(`${detail}; nothing is traced`)
      }
    },
    stop: () => tracing?.stop(),
  })
}
