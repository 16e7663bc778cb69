import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Bench } from './bench.ts'
import type { ApiVariant } from './bench-bed.ts'
import { measureTurns, startTurnsBed, startVariants, turnsSettings } from './open-turns.ts'

/** What traces cost an open: replicas that are traced or not, by turns. */
export const bench: Bench = {
  summary:
    'opens without tracing, with it and no trace kept, a tenth, all; --against: another checkout beside them',
  options: {
    pool: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '6' },
    concurrency: { type: 'string', default: '1,64' },
    'warm-up-rounds': { type: 'string', default: '3' },
    /** Folder of a checkout with its packages: its API is measured as well, without tracing. */
    against: { type: 'string', default: '' },
  },
  async run(options, say) {
    const collector = await startCollector()
    const turnsBed = await startTurnsBed(Number(options.pool), say)
    try {
      const turns = await startVariants(turnsBed.bed, variantsOf(collector.url, String(options.against)))
      const settings = turnsSettings(options, Number(options['warm-up-rounds']))
      return { ...(await measureTurns(turnsBed, turns, settings, say)), exports: collector.count() }
    } finally {
      await turnsBed.bed.stop()
      collector.close()
    }
  },
}

function variantsOf(collectorUrl: string, against: string): ApiVariant[] {
  const traced = (sampler: string, share = '') => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
    OTEL_TRACES_SAMPLER: sampler,
    OTEL_TRACES_SAMPLER_ARG: share,
  })
  return [
    { name: 'off' },
    ...(against === '' ? [] : [{ name: 'against', folder: against }]),
    { name: 'none-kept', env: traced('always_off') },
    { name: 'tenth-kept', env: traced('traceidratio', '0.1') },
    { name: 'all-kept', env: traced('always_on') },
  ]
}

/** Takes everything at once, in this process, which is idle while opens are measured. */
async function startCollector() {
  let count = 0
  const server = createServer((request, response) => {
    count += 1
    request.resume()
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: () => count,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
