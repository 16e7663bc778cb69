import t from 'tap'
import { sampledTraceId } from '../../src/domain/sampled-trace-id.ts'

void t.test('a trace is named where somebody keeps it', async (t) => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const parent = (flags: string) => `00-${traceId}-00f067aa0ba902b7-${flags}`
  for (const flags of ['01', '03', 'ff']) t.equal(sampledTraceId(parent(flags)), traceId, flags)
  for (const flags of ['00', '02', 'fe']) t.equal(sampledTraceId(parent(flags)), undefined, flags)
  t.equal(sampledTraceId(undefined), undefined)
  t.equal(sampledTraceId('nonsense'), undefined)
})
