import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import type { Bench } from '../scenario.ts'
import { startShell } from '../shell.ts'

/** A command of a source document as the example's README has it, and what it must print. */
export interface DocumentCommand {
  /** Its row in docs/source-documents.md. */
  readonly item: string
  readonly command: string
  /** In standard output and standard error together. */
  readonly prints: RegExp
  /** It goes on, as `logs -f` and `port-forward` do: ended when it has printed this and `meanwhile` is done. */
  readonly goesOn?: true
  /** What people type in another terminal while it runs. */
  readonly meanwhile?: readonly { readonly command: string; readonly prints: RegExp }[]
  /** It has to fail, with these words. */
  readonly fails?: true
  /** Asked again until it says so. */
  readonly eventually?: true
  /** In the place of a terminal. */
  readonly input?: string
  /** For `<pod-name>` and the like: arguments of kubectl, which prints it. */
  readonly fill?: Readonly<Record<string, readonly string[]>>
}

/** To fill `<pod-name>` in. */
export function podWith(namespace: string, labels: string): readonly string[] {
  const running = ['--field-selector=status.phase=Running', '-o', 'jsonpath={.items[0].metadata.name}']
  return ['get', 'pods', '-n', namespace, '-l', labels, ...running]
}

interface Place {
  readonly bench: Bench
  /** Where its commands run. */
  readonly folder: string
}

const withinMs = 90_000

/** One check for each command, in order, in the folder of the example. */
export async function runDocumentCommands(
  bench: Bench,
  example: string,
  commands: readonly DocumentCommand[],
): Promise<void> {
  const place = { bench, folder: join(root, 'examples', example) }
  for (const command of commands) await runDocumentCommand(place, command)
}

async function runDocumentCommand(place: Place, wanted: DocumentCommand): Promise<void> {
  await place.bench.check(`${wanted.item} ${wanted.command}`, async () => {
    const command = await filled(place.bench, wanted)
    if (wanted.goesOn) return endless(place, command, wanted)
    if (!wanted.eventually) return once(place, command, wanted)
    const deadline = performance.now() + withinMs
    for (;;) {
      try {
        return await once(place, command, wanted)
      } catch (error) {
        if (performance.now() > deadline) throw error
        await setTimeout(500)
      }
    }
  })
}

async function once(
  place: Place,
  command: string,
  { prints, fails, input }: DocumentCommand,
): Promise<string> {
  const shell = startShell(place.bench, place.folder, command, input)
  const inTime = new AbortController()
  void setTimeout(withinMs, undefined, { signal: inTime.signal }).then(
    () => shell.end(),
    () => undefined,
  )
  const code = await shell.ended
  inTime.abort()
  const text = shell.text()
  if ((code === 0) === (fails === true)) throw new Error(`ended with ${code}: ${text.trim()}`)
  return seen(text, prints)
}

async function endless(place: Place, command: string, wanted: DocumentCommand): Promise<string> {
  const { prints, meanwhile = [], fill } = wanted
  const shell = startShell(place.bench, place.folder, command)
  try {
    await until(
      `${prints} from ${command}`,
      () => {
        if (shell.hasEnded()) throw new Error(`ended by itself: ${shell.text().trim()}`)
        return prints.test(shell.text())
      },
      withinMs,
    )
    const answers = [seen(shell.text(), prints)]
    for (const other of meanwhile) {
      const text = await filled(place.bench, { ...other, fill })
      answers.push(await once(place, text, { ...wanted, ...other }))
    }
    return answers.join('; ')
  } finally {
    shell.end()
    await shell.ended
  }
}

/** The part that was wanted; throws with everything otherwise. */
function seen(text: string, prints: RegExp): string {
  const [found] = prints.exec(text) ?? []
  if (found === undefined) throw new Error(`it says ${text.trim() || 'nothing'}, not ${prints}`)
  return found.replaceAll(/\s+/g, ' ').trim()
}

async function filled(
  { cluster }: Bench,
  { command, fill = {} }: { readonly command: string; readonly fill?: DocumentCommand['fill'] },
): Promise<string> {
  let text = command
  for (const [name, args] of Object.entries(fill)) text = text.replaceAll(name, await cluster.run(args))
  return text
}
