import { readFileSync } from 'node:fs'

/** `node test/bench/profile-summary.ts FILE.cpuprofile [ROWS]`: self time by package or folder, and by function. */

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}
interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const [path = '', rows = '25'] = process.argv.slice(2)
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, 'utf8')) as Profile
const byId = new Map(nodes.map((node) => [node.id, node]))
const byFunction = new Map<string, number>()
const byPlace = new Map<string, number>()
let total = 0
samples.forEach((id, position) => {
  const frame = byId.get(id)?.callFrame
  if (!frame) return
  const us = timeDeltas[position] ?? 0
  total += us
  const where = placeOf(frame.url)
  add(byPlace, frame.functionName.startsWith('(') ? frame.functionName : where.place, us)
  add(byFunction, `${frame.functionName || '(anonymous)'} ${where.file}:${frame.lineNumber + 1}`, us)
})

function placeOf(url: string): { place: string; file: string } {
  const inPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(url)
  if (inPackage) return { place: inPackage[1] ?? '', file: `${inPackage[1]}/${inPackage[2]}` }
  const inSource = /\/(src\/(?:[^/]+\/)?)(.*)$/.exec(url)
  if (inSource) return { place: inSource[1] ?? '', file: `${inSource[1]}${inSource[2]}` }
  return { place: url === '' ? '(native)' : url, file: url }
}

function add(sums: Map<string, number>, key: string, us: number): void {
  sums.set(key, (sums.get(key) ?? 0) + us)
}

function show(title: string, sums: ReadonlyMap<string, number>): void {
  console.log(`\n${title} (${(total / 1_000).toFixed(0)} ms in all)`)
  const sorted = [...sums].sort((a, b) => b[1] - a[1]).slice(0, Number(rows))
  for (const [key, us] of sorted)
    console.log(
      `${((us / total) * 100).toFixed(1).padStart(6)} %  ${(us / 1_000).toFixed(1).padStart(9)} ms  ${key}`,
    )
}

show('self time by place', byPlace)
show('self time by function', byFunction)
