import { readFileSync, writeFileSync } from 'node:fs'
import { stringify } from 'yaml'
import { chartValues } from './chart-values.ts'

/** `node scripts/chart/write-chart.ts` writes what follows from the values that the chart declares. */

/** File → text. */
export function chartFiles(): Readonly<Record<string, string>> {
  const page = 'docs/operate/helm.md'
  const shown = readFileSync(new URL(page, root), 'utf8')
  return {
    'manifests/helm/greenroom/values.schema.json': schemaText(),
    'manifests/helm/greenroom/values.yaml': valuesText(),
    [page]: shown.replace(/^\| value \| is [^]*?(?=\n\n)/m, () => valuesTable()),
  }
}

const root = new URL('../../', import.meta.url)

interface ValueSchema {
  readonly required?: unknown
  readonly properties?: Readonly<Record<string, ValueSchema>>
  readonly description?: string
  readonly default?: unknown
}

const values = chartValues as ValueSchema

/** Helm fills in defaults before it checks, so no value of the chart is required; what a user's list holds may be. */
function withoutRequired({ required: _required, properties, ...schema }: ValueSchema): ValueSchema {
  if (!properties) return schema
  const entries = Object.entries(properties).map(([name, value]) => [name, withoutRequired(value)] as const)
  return { ...schema, properties: Object.fromEntries(entries) }
}

function schemaText(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart greenroom',
  }
  return `${JSON.stringify({ ...schema, ...withoutRequired(values) }, undefined, 2)}\n`
}

/** A value with a default is one that people set as a whole; without one it is a group of others. */
function isGroup({ default: fallback }: ValueSchema): boolean {
  return fallback === undefined
}

function valuesText(): string {
  const head =
    '# Values of the chart greenroom, made by scripts/chart/write-chart.ts. Others are refused: values.schema.json.\n'
  return `${head}${linesOf(values, 0).join('\n')}\n`
}

function linesOf({ properties = {} }: ValueSchema, depth: number): readonly string[] {
  const indent = '  '.repeat(depth)
  return Object.entries(properties).flatMap(([name, value]) => {
    const comment = value.description === undefined ? [] : [`# ${value.description.replaceAll('`', '')}`]
    const lines = isGroup(value)
      ? [`${name}:`, ...linesOf(value, 1)]
      : stringify({ [name]: value.default }, { lineWidth: 0 })
          .trimEnd()
          .split('\n')
    return [...(depth === 0 ? [''] : []), ...[...comment, ...lines].map((line) => `${indent}${line}`)]
  })
}

function valuesTable(): string {
  const rows = tableRows(values, '')
  return ['| value | is | default |', '|---|---|---|', ...rows].join('\n')
}

function tableRows({ properties = {} }: ValueSchema, at: string): readonly string[] {
  return Object.entries(properties).flatMap(([name, value]) => {
    const path = `${at}${name}`
    if (isGroup(value)) return tableRows(value, `${path}.`)
    const { description = '', default: fallback } = value
    return [`| \`${path}\` | ${description} | \`${JSON.stringify(fallback)}\` |`]
  })
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(chartFiles())) writeFileSync(new URL(path, root), text)
}
