import { createRequire } from 'node:module'
import t from 'tap'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'

/** Of CommonJS, as prom-client is. */
const { cache } = createRequire(import.meta.url)
const isLoaded = () => Object.keys(cache).some((path) => path.includes('/prom-client/'))

void t.test('the library is loaded at the first scrape, not at the start of an agent', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  metrics.messageProcessed(0.002)
  t.notOk(isLoaded())
  t.match(await metrics.text(), 'agent_messages_processed_total{agent_type="echo-agent"} 1')
  t.ok(isLoaded())
})

void t.test('every message counts once, scraped late or often', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  for (let n = 0; n < 2_500; n += 1) metrics.messageProcessed(0.002)
  for (let scrape = 0; scrape < 2; scrape += 1)
    t.match(await metrics.text(), 'agent_messages_processed_total{agent_type="echo-agent"} 2500')
})

void t.test('both series exist from the start and carry the agent type only', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  t.match(await metrics.text(), 'agent_messages_processed_total{agent_type="echo-agent"} 0')
  metrics.messageProcessed(0.002)
  metrics.messageProcessed(0.2)
  const text = await metrics.text()
  t.match(text, 'agent_messages_processed_total{agent_type="echo-agent"} 2')
  t.match(text, 'agent_response_latency_seconds_bucket{le="0.002",agent_type="echo-agent"} 1')
  t.match(text, 'agent_response_latency_seconds_count{agent_type="echo-agent"} 2')
  t.notMatch(text, /session(_id)?=/, 'a label per session would be a series per session')
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
})

void t.test('two agents in one process count apart', async (t) => {
  const [first, second] = [createAgentMetrics('a'), createAgentMetrics('b')]
  first.messageProcessed(1)
  t.match(await second.text(), 'agent_messages_processed_total{agent_type="b"} 0')
})
