import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createKept, documentBed } from './document-watch-bed.ts'
import { startFakeApiServer } from './fake-api-server.ts'

/** A valid document that is examined before it comes into force: by the process that decides, for all of them. */

const refusedAnnotation = 'greenroom.dev/refused'

/** Refuses texts that contain `unfit`, until the test says that they are fit. */
function examinerOf(decides = true) {
  const examiner = {
    leads: decides,
    unfit: 'unfit',
    held: undefined as Promise<void> | undefined,
    examined: [] as string[],
    decides: () => examiner.leads,
    async examine(next: string, inForce: string | undefined) {
      examiner.examined.push(`${inForce} → ${next}`)
      await examiner.held
      return next.includes(examiner.unfit) ? [`/: ${next} is unfit`] : []
    },
  }
  return examiner
}

void t.test('a document that is refused changes nothing, and the refusal is told once', async (t) => {
  const examiner = examinerOf()
  const { watch, put, accepted, changes, rejected } = await documentBed(t, { write: true, examiner })
  watch.start()
  put('good 1')
  await until('kept', () => accepted.text() === 'good 1')
  const unfit = put('good but unfit')
  await until('refused', () => watch.status().problems !== undefined)
  t.equal(watch.current(), 'good 1')
  t.match(watch.status(), { seen: unfit, problems: ['/: good but unfit is unfit'] })
  await until('told', () => accepted.annotation(refusedAnnotation) !== undefined)
  t.same(JSON.parse(accepted.annotation(refusedAnnotation) ?? ''), {
    resourceVersion: unfit,
    problems: ['/: good but unfit is unfit'],
  })
  t.equal(accepted.text(), 'good 1')
  put('good 2')
  await until('in force', () => watch.current() === 'good 2')
  await until('kept', () => accepted.text() === 'good 2')
  t.equal(accepted.annotation(refusedAnnotation), undefined)
  t.same(changes, ['good 1', 'good 2'])
  t.same(rejected, ['/: good but unfit is unfit'])
  t.same(examiner.examined, ['undefined → good 1', 'good 1 → good but unfit', 'good 1 → good 2'])
})

void t.test(
  'until the examination is over, what was in force stays; the newest document counts',
  async (t) => {
    const examiner = examinerOf()
    const { watch, put, accepted, changes } = await documentBed(t, { write: true, examiner })
    watch.start()
    put('good 1')
    await until('kept', () => accepted.text() === 'good 1')
    const held = Promise.withResolvers<void>()
    examiner.held = held.promise
    put('good slow')
    await until('begun', () => examiner.examined.length === 2)
    examiner.held = undefined
    put('good 2')
    await until('in force', () => watch.current() === 'good 2')
    held.resolve()
    put('good 3')
    await until('in force', () => watch.current() === 'good 3')
    t.same(changes, ['good 1', 'good 2', 'good 3'], 'the slow one is history')
  },
)

void t.test('readers take what is valid, and hear what was refused', async (t) => {
  const fake = await startFakeApiServer()
  t.teardown(() => fake.stop())
  const kept = createKept(fake)
  const decider = await documentBed(t, { write: true, fake, kept, examiner: examinerOf() })
  const reader = await documentBed(t, { fake, kept, examiner: examinerOf(false) })
  decider.watch.start()
  reader.watch.start()
  decider.put('good 1')
  await until('kept', () => kept.text() === 'good 1')
  await until('in force', () => reader.watch.current() === 'good 1')
  decider.put('good but unfit')
  await until('refused', () => reader.watch.status().problems !== undefined)
  await until('back', () => reader.watch.current() === 'good 1')
  t.same(reader.watch.status(), decider.watch.status())

  const late = await documentBed(t, { fake, kept, examiner: examinerOf(false) })
  late.watch.start()
  await until('refused', () => late.watch.status().problems !== undefined)
  t.equal(late.watch.current(), 'good 1', 'a replica that starts now as well')
})

void t.test('a first document that is refused leaves nothing in force', async (t) => {
  const { watch, put } = await documentBed(t, { write: true, examiner: examinerOf() })
  watch.start()
  put('good but unfit')
  await until('refused', () => watch.status().problems !== undefined)
  t.equal(watch.current(), undefined)
  t.equal(watch.status().applied, undefined)
})

void t.test('who begins to decide judges what it took as a reader', async (t) => {
  const examiner = examinerOf(false)
  const { watch, put, accepted } = await documentBed(t, { write: true, keptText: 'good old', examiner })
  watch.start()
  put('good but unfit')
  await until('taken', () => watch.current() === 'good but unfit')
  t.equal(accepted.text(), 'good old', 'a reader keeps nothing')
  examiner.leads = true
  await watch.reconsider()
  t.equal(watch.current(), 'good old')
  t.match(watch.status().problems, ['/: good but unfit is unfit'])
})

void t.test('a refused document comes into force when what it lacked is there', async (t) => {
  const examiner = examinerOf()
  const { watch, put, accepted } = await documentBed(t, { write: true, examiner })
  watch.start()
  const unfit = put('good but unfit')
  await until('refused', () => watch.status().problems !== undefined)
  await watch.reconsider()
  t.equal(examiner.examined.length, 2)
  examiner.unfit = 'nothing'
  await watch.reconsider()
  t.same(watch.status(), { seen: unfit, applied: unfit, problems: undefined })
  await until('kept', () => accepted.text() === 'good but unfit')
  t.equal(examiner.examined.length, 3)
  await until('what is kept is known, and not examined again', async () => {
    const before = examiner.examined.length
    await watch.reconsider()
    return examiner.examined.length === before
  })
})

void t.test('what is kept is not examined again after a restart', async (t) => {
  const examiner = examinerOf()
  const { watch, put } = await documentBed(t, { write: true, keptText: 'good but unfit', examiner })
  put('good but unfit')
  watch.start()
  await until('in force', () => watch.current() === 'good but unfit')
  t.same(examiner.examined, [])
})

void t.test('an Event about the document names the object that people see', async (t) => {
  const { watch, put } = await documentBed(t)
  t.same(watch.subject(), { kind: 'ConfigMap', name: 'document' })
  watch.start()
  const version = put('good')
  await until('in force', () => watch.current() === 'good')
  t.match(watch.subject(), { uid: /^uid-document-/, resourceVersion: version })
})
