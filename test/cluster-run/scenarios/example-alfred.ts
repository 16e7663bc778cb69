import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { alfredCommands } from '../document-commands/alfred.ts'
import { runDocumentCommands } from '../document-commands/document-command.ts'
import { applyExample, auditedViolations, untilAllReady, withExample } from '../example-run.ts'
import type { Scenario } from '../scenario.ts'

const example = 'alfred'
const namespace = 'alfred-platform'

export const exampleAlfred: Scenario = {
  name: 'example-alfred',
  shows: 'Alfred’s dev overlay on one node, and its document’s commands, with the debug containers',
  run: (bench) =>
    withExample(bench, { example, namespaces: [namespace], greenroom: 'judges' }, async () => {
      const { check, cluster, folder } = bench
      await check('applied in the order of the document, until Ready', async () => {
        await applyExample(bench, ['-f', 'examples/alfred/base/namespace.yaml'])
        const file = join(folder, 'alfred.env')
        await writeFile(file, secrets())
        const create = ['create', 'secret', 'generic', 'alfred-secrets', '-n', namespace]
        await cluster.run([...create, `--from-env-file=${file}`])
        await rm(file)
        await applyExample(bench, ['-k', 'examples/alfred/overlays/dev'])
        return untilAllReady(cluster, namespace)
      })
      await untilAllReady(cluster, namespace)
      await check('Greenroom has judged its pods, and let them run', () => auditedViolations(cluster))
      await runDocumentCommands(bench, example, alfredCommands)
    }),
}

function secrets(): string {
  const password = randomBytes(16).toString('hex')
  return `db-user=postgres
db-password=${password}
database-url=postgresql://postgres:${password}@postgres:5432/postgres
openai-api-key=sk-nobody
jwt-secret=${randomBytes(32).toString('hex')}
`
}
