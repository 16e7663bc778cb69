import { randomUUIDv7 } from 'node:crypto'

let lastTime = ''
let count = 0

/** A UUID of version 7 that comes after those that this process made before, within one millisecond too (4,096 of them). */
export function orderedId(): string {
  const id = randomUUIDv7()
  const time = id.slice(0, 13)
  count = time === lastTime ? count + 1 : 0
  lastTime = time
  return `${time}-7${(count & 0xfff).toString(16).padStart(3, '0')}${id.slice(18)}`
}
