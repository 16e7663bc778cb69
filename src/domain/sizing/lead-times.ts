/** How long pods take from creation to Ready: a fading mean, and a fading histogram for the 99th percentile. */
export interface LeadMemory {
  weight: number
  weightedSeconds: number
  /** By logarithm of the seconds, each bin a tenth longer than the one before. */
  readonly bins: number[]
}

/** Until pods have become Ready: five starts of 8 s are assumed. One real start in six then moves the mean already. */
const priorSeconds = 8
const priorWeight = 5

/** Starts that the mean remembers: enough for an error of 5 % with a long tail, few enough to follow a slower image. */
const memoryStarts = 300
const binGrowth = 1.1
const shortestSeconds = 0.05
/** 0.05 s x 1.1^128 is three hours; longer starts count as that. */
const binCount = 129

export function emptyLeadMemory(): LeadMemory {
  const memory = { weight: 0, weightedSeconds: 0, bins: Array.from({ length: binCount }, () => 0) }
  add(memory, priorSeconds, priorWeight)
  // A few starts in a hundred take several times as long; without them the first slow pod would be taken for an outage.
  add(memory, 5 * priorSeconds, priorWeight / 50)
  return memory
}

/** Changes `memory`. */
export function noteStart(memory: LeadMemory, seconds: number): void {
  if (!Number.isFinite(seconds) || seconds < 0) return
  const kept = 1 - 1 / memoryStarts
  memory.weight *= kept
  memory.weightedSeconds *= kept
  for (let bin = 0; bin < memory.bins.length; bin += 1) memory.bins[bin] = (memory.bins[bin] ?? 0) * kept
  add(memory, seconds, 1)
}

function add(memory: LeadMemory, seconds: number, weight: number): void {
  memory.weight += weight
  memory.weightedSeconds += weight * Math.min(seconds, upperEdge(binCount - 1))
  const bin = binOf(seconds)
  memory.bins[bin] = (memory.bins[bin] ?? 0) + weight
}

function binOf(seconds: number): number {
  if (seconds <= shortestSeconds) return 0
  return Math.min(binCount - 1, Math.ceil(Math.log(seconds / shortestSeconds) / Math.log(binGrowth)))
}

function upperEdge(bin: number): number {
  return shortestSeconds * binGrowth ** bin
}

export function meanLeadSeconds({ weight, weightedSeconds }: LeadMemory): number {
  // A pool whose pods are Ready at once still has the time of a decision and a write.
  return Math.max(shortestSeconds, weightedSeconds / weight)
}

export function leadP99Seconds({ weight, bins }: LeadMemory): number {
  let above = weight * 0.01
  for (let bin = bins.length - 1; bin > 0; bin -= 1) {
    above -= bins[bin] ?? 0
    if (above < 0) return upperEdge(bin)
  }
  return shortestSeconds
}

/** Share of the pods that still start at this age. */
export function shareStillStarting({ weight, bins }: LeadMemory, ageSeconds: number): number {
  let longer = 0
  for (let bin = bins.length - 1; bin > binOf(ageSeconds); bin -= 1) longer += bins[bin] ?? 0
  return longer / weight
}
