/** Where the time of an open goes by the server's own clock: sums of `greenroom_open_stage_seconds`, stage by stage. */
type StageSums = ReadonlyMap<string, { readonly seconds: number; readonly count: number }>

const line = /^greenroom_open_stage_seconds_(sum|count)\{[^}]*stage="(\w+)"[^}]*\} (\S+)$/

export async function stageSums(url: string): Promise<StageSums> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const sums = new Map<string, { seconds: number; count: number }>()
  for (const [, kind, stage = '', value] of text.split('\n').flatMap((one) => [line.exec(one) ?? []])) {
    if (kind === undefined) continue
    const entry = sums.get(stage) ?? { seconds: 0, count: 0 }
    if (kind === 'sum') entry.seconds = Number(value)
    else entry.count = Number(value)
    sums.set(stage, entry)
  }
  return sums
}

/** Mean milliseconds of each stage between two looks. */
export function meanStageMs(before: StageSums, after: StageSums): Record<string, number> {
  const means: Record<string, number> = {}
  for (const [stage, { seconds, count }] of after) {
    const earlier = before.get(stage) ?? { seconds: 0, count: 0 }
    const opens = count - earlier.count
    if (opens > 0) means[stage] = Number((((seconds - earlier.seconds) * 1_000) / opens).toFixed(3))
  }
  return means
}
