import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import {
  claimObject,
  readSandboxKinds,
  sandboxPath,
  templateObject,
  warmPoolObject,
} from './sandbox-kinds.ts'
import { newest, older, standInKinds, writeStandInCrds } from './stand-in-crds.ts'

const names = { template: 't', pool: 'p' }

void t.test('what is sent follows the stored version of the CRDs', async (t) => {
  await using folder = await temporaryFolder('crds')
  const kinds = await readSandboxKinds(
    await writeStandInCrds(folder.path, [{ ...older, storage: false }, newest]),
  )
  t.equal(kinds.definitions.length, 4)
  t.match(kinds.definitions[0]?.spec.conversion, { strategy: 'None' }, 'nobody serves a conversion')
  t.same(claimObject(kinds, names), {
    apiVersion: 'stand-in.test/v1beta1',
    kind: 'SandboxClaim',
    spec: { warmPoolRef: { name: 'p' } },
  })
  t.match(templateObject(kinds, names), {
    metadata: { name: 't' },
    spec: {
      networkPolicyManagement: 'Unmanaged',
      podTemplate: { spec: { containers: [{ name: 'agent' }] } },
    },
  })
  t.match(warmPoolObject(kinds, names, 7), {
    kind: 'SandboxWarmPool',
    metadata: { name: 'p' },
    spec: { replicas: 7, sandboxTemplateRef: { name: 't' } },
  })
  t.equal(sandboxPath(kinds.sandbox, 'ns', 's-1'), '/apis/stand-in.test/v1beta1/namespaces/ns/sandboxes/s-1')
})

void t.test('an older version names template and pool, and gets no field that it lacks', async (t) => {
  await using folder = await temporaryFolder('crds')
  const kinds = await readSandboxKinds(await writeStandInCrds(folder.path, [older]))
  t.same(claimObject(kinds, names), {
    apiVersion: 'stand-in.test/v1alpha1',
    kind: 'SandboxClaim',
    spec: { sandboxTemplateRef: { name: 't' }, warmpool: 'p' },
  })
  t.notMatch(templateObject(kinds, names), { spec: { networkPolicyManagement: String } })
})

void t.test('wrong folders are told in one sentence', async (t) => {
  await using folder = await temporaryFolder('crds')
  const { path } = folder
  await t.rejects(readSandboxKinds(join(path, 'nothing')), {
    name: 'UsageError',
    message: /^the folder of CRDs cannot be read: ENOENT/,
  })
  const kinds = standInKinds.filter((kind) => kind !== 'SandboxClaim')
  await t.rejects(readSandboxKinds(await writeStandInCrds(join(path, 'less'), [newest], kinds)), {
    name: 'UsageError',
    message: /no CRD of kind SandboxClaim .*\(it has Sandbox, SandboxTemplate, SandboxWarmPool\)/,
  })
  const unserved = await writeStandInCrds(join(path, 'unserved'), [{ ...newest, served: false }])
  await t.rejects(readSandboxKinds(unserved), { message: /no CRD of kind Sandbox with a served version/ })
  const empty = await writeStandInCrds(join(path, 'empty'), [newest], [])
  await t.rejects(readSandboxKinds(empty), { message: /\(it has none\)/ })
})
