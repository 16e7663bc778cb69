import { randomBytes } from 'node:crypto'
import { until } from '../../../bed/processes/until.ts'
import { runDocumentCommands } from '../document-commands/document-command.ts'
import { sekhaCommands } from '../document-commands/sekha.ts'
import { applyExample, untilAllReady, withExample } from '../example-run.ts'
import type { Bench, Scenario } from '../scenario.ts'

const example = 'sekha'
const namespace = 'sekha'

export const exampleSekha: Scenario = {
  name: 'example-sekha',
  shows: 'Sekha’s chart on one node with PostgreSQL, ChromaDB and Ollama, and its document’s commands',
  run: (bench) =>
    withExample(bench, { example, namespaces: [namespace], greenroom: 'is not there' }, async () => {
      const { check, cluster } = bench
      await check('applied, until Ready', async () => {
        await applyExample(bench, ['-f', 'examples/sekha/base/namespace.yaml'])
        await makeSecrets(cluster)
        await applyExample(bench, ['-k', 'examples/sekha/on-one-node'])
        return untilAllReady(cluster, namespace)
      })
      await untilAllReady(cluster, namespace)
      await check('the HPA makes two controllers of one, without metrics', () => scaledByHpa(cluster))
      await runDocumentCommands(bench, example, sekhaCommands)
    }),
}

async function makeSecrets({ run }: Bench['cluster']): Promise<void> {
  const password = randomBytes(16).toString('hex')
  const values = {
    REST_API_KEY: randomBytes(16).toString('hex'),
    MCP_API_KEY: randomBytes(16).toString('hex'),
    DATABASE_URL: `postgresql://sekha:${password}@postgres:5432/sekha`,
    CHROMA_URL: 'http://chroma:8000',
    OLLAMA_URL: 'http://ollama:11434',
  }
  const literals = Object.entries(values).map(([key, value]) => `--from-literal=${key}=${value}`)
  await run(['create', 'secret', 'generic', 'sekha-secrets', '-n', namespace, ...literals])
  const forDatabase = ['create', 'secret', 'generic', 'sekha-db-secret', '-n', namespace]
  await run([...forDatabase, `--from-literal=password=${password}`])
}

/** minReplicas alone is enough for it. */
async function scaledByHpa({ read }: Bench['cluster']): Promise<string> {
  const get = ['get', 'deployment', 'sekha-controller', '-n', namespace]
  await until(
    'two replicas',
    async () => (await read<{ status: { readyReplicas?: number } }>(get)).status.readyReplicas === 2,
    90_000,
  )
  return 'minReplicas of 2 holds'
}
