import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { watchOverload } from '../../src/serving/overload.ts'

function stall(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

void t.test('statements that wait for a connection', (t) => {
  let waiting = 100
  const overload = watchOverload({ waitingStatements: () => waiting })
  t.teardown(overload.stop)
  t.equal(overload.now(), undefined)
  waiting = 101
  t.equal(overload.now(), 'database')
  waiting = 0
  t.equal(overload.now(), undefined)
  t.end()
})

void t.test('an event loop that is late all the time, and one that is in time again', async (t) => {
  const limits = { lateMs: 300, waitingStatements: 1 }
  const overload = watchOverload({ waitingStatements: () => 0, limits })
  t.teardown(overload.stop)
  await until('late', () => {
    stall(700)
    return overload.now() === 'event-loop'
  })
  await until('in time', () => overload.now() === undefined)
})
