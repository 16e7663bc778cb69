import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { root } from '../../../bed/repository.ts'
import { runDocumentCommands } from '../document-commands/document-command.ts'
import { scaling, upgrade, whileItRuns } from '../document-commands/station.ts'
import { applyExample, auditedViolations, untilAllReady, withExample } from '../example-run.ts'
import { expect, type Scenario } from '../scenario.ts'

const example = 'station'

export const exampleStation: Scenario = {
  name: 'example-station',
  shows: 'Station on one node, its document’s commands, its upgrade, and that a second replica does no harm',
  run: (bench) =>
    withExample(bench, { example, namespaces: ['station'], greenroom: 'judges' }, async () => {
      const { check, cluster } = bench
      await check('applied in the order of the document, until Ready', async () => {
        await applyExample(bench, ['-f', 'examples/station/base/namespace.yaml'])
        await cluster.run(['label', 'namespace', 'station', 'greenroom.dev/agents=enabled'])
        await cluster.apply(await secret())
        await applyExample(bench, ['-k', 'examples/station/overlays/on-one-node'])
        return untilAllReady(cluster, 'station')
      })
      await untilAllReady(cluster, 'station')
      await check('Greenroom has judged its pod, and let it run', () => auditedViolations(cluster))
      await runDocumentCommands(bench, example, whileItRuns)
      await runDocumentCommands(bench, example, upgrade)
      await runDocumentCommands(bench, example, scaling)
    }),
}

/** secret.yaml filled in as its comment says: keys of providers that are not used are deleted. */
async function secret(): Promise<string> {
  const text = await readFile(join(root, 'examples/station/base/secret.yaml'), 'utf8')
  const { stringData, ...rest } = parse(text) as { stringData: Record<string, string> }
  const { OPENAI_API_KEY, ENCRYPTION_KEY } = stringData
  expect(OPENAI_API_KEY === '' && ENCRYPTION_KEY === '', 'secret.yaml holds a key')
  const filled = { OPENAI_API_KEY: 'sk-nobody', ENCRYPTION_KEY: randomBytes(32).toString('base64') }
  return stringify({ ...rest, stringData: filled })
}
