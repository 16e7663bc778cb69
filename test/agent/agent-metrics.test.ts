import t from 'tap'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'

void t.test('both series exist from the start and carry the agent type only', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  t.match(await metrics.text(), 'agent_messages_processed_total{agent_type="echo-agent"} 0')
  metrics.messageProcessed(0.002)
  metrics.messageProcessed(0.2)
  const text = await metrics.text()
  t.match(text, 'agent_messages_processed_total{agent_type="echo-agent"} 2')
  t.match(text, 'agent_response_latency_seconds_bucket{le="0.0025",agent_type="echo-agent"} 1')
  t.match(text, 'agent_response_latency_seconds_count{agent_type="echo-agent"} 2')
  t.notMatch(text, /session(_id)?=/, 'a label per session would be a series per session')
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
})

void t.test('two agents in one process count apart', async (t) => {
  const [first, second] = [createAgentMetrics('a'), createAgentMetrics('b')]
  first.messageProcessed(1)
  t.match(await second.text(), 'agent_messages_processed_total{agent_type="b"} 0')
})
