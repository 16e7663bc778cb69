import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { filesForSecondRun } from './second-run.ts'

void t.test('a few files of bounds run again, those that look for rare interleavings never', async (t) => {
  const bounds = ['test/e2e/usage.test.ts', 'test/integration/webhook-certificate-rotation.test.ts']
  t.same(filesForSecondRun(bounds), bounds)
  const rare = [
    'test/e2e/chaos.test.ts',
    'test/integration/claim-races.test.ts',
    'test/integration/claim-kills.test.ts',
    'test/sessions/open-session-storm.test.ts',
    'test/admission/admission-properties.test.ts',
  ]
  for (const path of [...bounds, ...rare]) t.ok(existsSync(join(root, path)), path)
  for (const path of rare) t.same(filesForSecondRun([path]), [], path)
  t.same(filesForSecondRun(Array.from({ length: 5 }, (_, n) => `test/e2e/file-${n}.test.ts`)), [])
})
