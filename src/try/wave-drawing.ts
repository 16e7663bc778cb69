import type { Loudness } from './voice-source.ts'

export interface Lanes {
  readonly agent: Loudness
  readonly own: Loudness
}

export interface WaveDrawing {
  stop(): void
}

const barPx = 3
const gapPx = 3
/** One bar stands for this long; people who want little motion get a quiet picture. */
const barMs = 60
const calmBarMs = 500

/** Draws two voices as they sound: the agent's upwards, the person's downwards from the line between them. */
export function drawWave(canvas: HTMLCanvasElement, lanes: Lanes): WaveDrawing {
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches
  const history: (readonly [number, number])[] = []
  let peak: readonly [number, number] = [0, 0]
  let shownAt = performance.now()
  let frame = requestAnimationFrame(look)

  function look(now: number): void {
    peak = [Math.max(peak[0], lanes.agent()), Math.max(peak[1], lanes.own())]
    if (now - shownAt >= (isCalm ? calmBarMs : barMs)) {
      shownAt = now
      history.push(peak)
      peak = [0, 0]
      paint(canvas, history)
    }
    frame = requestAnimationFrame(look)
  }
  return { stop: () => cancelAnimationFrame(frame) }
}

function paint(canvas: HTMLCanvasElement, history: (readonly [number, number])[]): void {
  const { clientWidth: width, clientHeight: height } = canvas
  const context = canvas.getContext('2d')
  if (!context || width === 0) return
  const scale = devicePixelRatio
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale)
    canvas.height = Math.round(height * scale)
  }
  const style = getComputedStyle(canvas)
  const colours = [style.getPropertyValue('--accent'), style.getPropertyValue('--own')]
  const count = Math.floor(width / (barPx + gapPx))
  history.splice(0, Math.max(0, history.length - count))
  context.setTransform(scale, 0, 0, scale, 0, 0)
  context.clearRect(0, 0, width, height)
  for (let n = 0; n < count; n += 1) {
    const levels = history[history.length - count + n] ?? [0, 0]
    const x = n * (barPx + gapPx)
    levels.forEach((level, lane) => {
      // Speech is quiet most of the time: the root makes it visible.
      const length = Math.max(2, Math.sqrt(level) * (height / 2 - 3))
      context.fillStyle = colours[lane] ?? ''
      context.globalAlpha = level > 0.004 ? 1 : 0.35
      context.beginPath()
      context.roundRect(x, lane === 0 ? height / 2 - 1 - length : height / 2 + 2, barPx, length, barPx / 2)
      context.fill()
    })
  }
  context.globalAlpha = 1
}
