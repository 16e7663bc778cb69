import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { startProgram, untilReady } from '../processes/start-program.ts'
import { findPrometheus } from '../set-up/binaries.ts'
import { freePort } from './free-port.ts'

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  /** A number as text, or NaN. */
  readonly value: string
}

export interface PrometheusServer {
  readonly url: string
  /** The instant vector of a query now. Throws where Prometheus does not understand it. */
  query(expr: string): Promise<readonly Sample[]>
  /** What has a path of the API, below `data`. */
  read(path: string): Promise<unknown>
  stop(): Promise<void>
}

export interface PrometheusOptions {
  readonly folder: string
  /** Job → addresses of targets, HOST:PORT. */
  readonly jobs: Readonly<Record<string, readonly string[]>>
  /** `groups:` of rule files, as PrometheusRule has them below `spec`. */
  readonly rules?: object
}

/** So often it scrapes and applies its rules: a test sees rates after seconds. */
const intervalSeconds = 1

/** A real Prometheus with data of its own, reached at 127.0.0.1 alone. It keeps exemplars. */
export async function startPrometheus(options: PrometheusOptions): Promise<PrometheusServer> {
  const programs = findPrometheus()
  if (!programs) throw new Error('Prometheus is missing: run "npm run setup -- --tests" first')
  const folder = join(options.folder, 'prometheus')
  await mkdir(folder, { recursive: true })
  const [port, configPath, logPath] = [await freePort(), join(folder, 'prometheus.yml'), join(folder, 'log')]
  await writeFile(join(folder, 'rules.yml'), stringify(options.rules ?? { groups: [] }))
  await writeFile(configPath, stringify(configuration(options.jobs)))
  const program = await startProgram({
    command: programs.prometheus,
    args: [
      `--config.file=${configPath}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
    ],
    logPath,
  })
  const url = `http://127.0.0.1:${port}`
  const isUp = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  await untilReady(program, isUp, { name: 'prometheus', logPath, timeoutMs: 30_000 })

  async function read(path: string): Promise<unknown> {
    const answer = await fetch(`${url}/api/v1/${path}`)
    const body = (await answer.json()) as { status: string; data?: unknown; error?: string }
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`)
    return body.data
  }

  return {
    url,
    read,
    async query(expr) {
      const { result } = (await read(`query?query=${encodeURIComponent(expr)}`)) as {
        result: { metric: Record<string, string>; value: [number, string] }[]
      }
      return result.map(({ metric, value: [, value] }) => ({ metric, value }))
    },
    stop: () => program.stop('SIGTERM'),
  }
}

function configuration(jobs: PrometheusOptions['jobs']) {
  const interval = `${intervalSeconds}s`
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ['rules.yml'],
    scrape_configs: Object.entries(jobs).map(([name, targets]) => ({
      job_name: name,
      static_configs: [{ targets }],
    })),
  }
}
