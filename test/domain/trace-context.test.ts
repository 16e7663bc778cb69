import t from 'tap'
import { traceContextOf, traceIdOf } from '../../src/domain/trace-context.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const parent = 'b7ad6b7169203331'
const valid = `00-${trace}-${parent}-01`
const traceparentOf = (traceparent: string | readonly string[] | undefined) =>
  traceContextOf({ traceparent })?.traceparent
const tracestateOf = (tracestate: string | readonly string[] | undefined) =>
  traceContextOf({ traceparent: valid, tracestate })?.tracestate

void t.test('what is passed on, and what is dropped', (t) => {
  t.equal(traceparentOf(valid), valid)
  t.equal(traceparentOf(`cc-${trace}-${parent}-01`), valid, 'a later version as the one that is known')
  t.equal(traceparentOf(`cc-${trace}-${parent}-01-what-will-be`), valid)
  t.equal(traceIdOf({ traceparent: valid }), trace)
  for (const wrong of [
    undefined,
    '',
    [valid, valid],
    `${valid}, ${valid}`,
    `${valid}-more`,
    `ff-${trace}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${parent}-01`,
    `00-${trace}-${parent}`,
    `00-${trace}-${parent}-1`,
    `00-${trace}-${parent}-01\r\nx: y`,
    `cc-${trace}-${parent}-01-${'x'.repeat(200)}`,
    'x'.repeat(16_000),
  ])
    t.equal(traceparentOf(wrong), undefined, String(wrong).slice(0, 80))
  t.end()
})

void t.test('the state of tracing systems goes with a valid trace, and never without', (t) => {
  t.equal(tracestateOf('a=1'), 'a=1')
  t.equal(
    tracestateOf(' rojo=00f067aa0ba902b7 , congo@vendor=t61rcWkgMzE,, '),
    'rojo=00f067aa0ba902b7,congo@vendor=t61rcWkgMzE',
  )
  t.same(traceContextOf({ tracestate: 'a=1' }), undefined)
  t.same(traceContextOf({ traceparent: 'nonsense', tracestate: 'a=1' }), undefined)
  for (const wrong of [
    undefined,
    '',
    ',',
    ['a=1', 'b=2'],
    'a',
    'a=',
    'A=1',
    'a=1=2',
    'a=\u00e4',
    'a=1\r\nx: y',
    `a=${'x'.repeat(600)}`,
    Array.from({ length: 33 }, (_, n) => `a${n}=1`).join(','),
  ])
    t.same(traceContextOf({ traceparent: valid, tracestate: wrong }), { traceparent: valid }, String(wrong))
  t.end()
})
