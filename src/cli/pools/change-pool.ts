import type { PoolEdit } from '../../domain/edit-pool.ts'
import { GreenroomError } from '../../errors.ts'
import { bareName } from '../line/bare-name.ts'
import { action } from '../line/command-spec.ts'
import { confirm } from '../line/confirm.ts'
import { lineDiff } from '../line/line-diff.ts'
import { type ServerValues, serverOptions } from '../line/shared-options.ts'
import { toned } from '../line/view-table.ts'
import { wholeNumber, wrongArguments } from '../line/wrong-arguments.ts'
import { withoutPackage } from '../reach/without-package.ts'

const { context, kubeconfig, namespace } = serverOptions
const shared = {
  'dry-run': { type: 'boolean', help: 'show the change, let admission judge it, and write nothing' },
  yes: { type: 'boolean', short: 'y', help: 'write without asking' },
  context,
  kubeconfig,
  namespace,
} as const
const pool = { name: 'AGENT-TYPE', help: 'the pool', kind: 'pool' } as const
const exits = { 3: 'there is no such pool', 5: 'your rights or admission do not allow it' }
const about =
  'It shows what it would change in the ConfigMap agent-pools, and writes it with the rights of your kubeconfig. Where a GitOps controller owns that ConfigMap, change its source instead.'
/** More pods than any cluster has. */
const most = 1_000_000

export const setPool = action({
  summary: 'Change how many pods a pool keeps and may have',
  about,
  arguments: [pool],
  options: {
    min: { type: 'string', value: 'N', help: 'idle pods, always' },
    max: { type: 'string', value: 'N', help: 'idle and claimed pods together, at most' },
    ...shared,
  },
  exits,
  examples: [
    { line: 'greenroom pools set echo-agent --min 5 --dry-run', does: 'What it would change' },
    { line: 'greenroom pools set echo-agent --min 5 --max 40 --yes', does: 'Without being asked' },
  ],
  async run({ words: [text = ''], options }) {
    const { min, max } = options
    if (min === undefined && max === undefined) throw wrongArguments('Give --min or --max.')
    await changePool(text, options, {
      ...(min !== undefined && { min: wholeNumber('--min', min, [0, most]) }),
      ...(max !== undefined && { max: wholeNumber('--max', max, [0, most]) }),
    })
  },
})

export const freezePool = action({
  summary: 'Leave a pool as it is: no pod is made or retired until thaw',
  about,
  arguments: [pool],
  options: shared,
  exits,
  examples: [{ line: 'greenroom pools freeze echo-agent', does: 'Shows the change, asks, and writes it' }],
  run: ({ words: [text = ''], options }) => changePool(text, options, { frozen: true }),
})

export const thawPool = action({
  summary: 'Let a frozen pool live again',
  about,
  arguments: [pool],
  options: shared,
  exits,
  examples: [{ line: 'greenroom pools thaw echo-agent --yes', does: 'Without being asked' }],
  run: ({ words: [text = ''], options }) => changePool(text, options, { frozen: false }),
})

interface ChangeValues extends ServerValues {
  readonly 'dry-run'?: boolean | undefined
  readonly yes?: boolean | undefined
}

async function changePool(text: string, options: ChangeValues, change: PoolEdit): Promise<void> {
  const agentType = bareName('pool', text)
  const isDryRun = options['dry-run'] === true
  const { openPoolsConfigMap } = await import('./pools-config-map.ts').catch(withoutPackage)
  using document = await openPoolsConfigMap(options)
  const before = await document.read()
  const edited = await checkedEdit(before.text, agentType, change, document.name)
  const diff = lineDiff(before.text, edited)
  if (diff === '') {
    process.stderr.write(`Nothing to change: ${document.name} says so already.\n`)
    return
  }
  process.stdout.write(`${document.name}\n${diff.split('\n').map(colouredLine).join('\n')}\n`)
  if (isDryRun) {
    await document.write(before, edited, { isDryRun })
    process.stderr.write('Admission would take it. Nothing is written.\n')
  } else if (await confirm('Write it?', options.yes === true)) {
    await document.write(before, edited, { isDryRun })
    process.stderr.write('Written. The controller applies it within a second.\n')
  } else process.stderr.write('Nothing is written.\n')
}

/** What reads YAML and schemas is loaded here, so that the help of pools need not wait for it. */
async function checkedEdit(text: string, agentType: string, change: PoolEdit, name: string): Promise<string> {
  const { editPool } = await import('../../domain/edit-pool.ts')
  const edited = editPool(text, agentType, change)
  if (edited.ok) return edited.text
  const { why, problem } = edited
  if (why === 'unknown')
    throw new GreenroomError('GRN_UNKNOWN_AGENT_TYPE', `${name} has no pool "${agentType.slice(0, 80)}".`)
  throw new GreenroomError(why === 'by-hand' ? 'GRN_POOLS_BY_HAND' : 'GRN_INVALID_POOLS', `${problem}.`)
}

function colouredLine(line: string): string {
  return toned(line, line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : undefined)
}
