/**
 * Kubernetes quantities (`250m`, `1Gi`, `1e3`), compared by value, because the API server rewrites `1000m` to
 * `1`. Exact: whole nano-units, the API's own resolution.
 */

const nanoPerUnit = 10n ** 9n

/** Decimal suffixes as powers of ten. */
const decimalExponent: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}
/** Binary suffixes as powers of 1024. */
const binaryExponent: Readonly<Record<string, number>> = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 }

const pattern = /^([+-]?)(\d{1,30})?(?:\.(\d{0,30}))?(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/

/** The value in nano-units, rounded away from zero as Kubernetes does; undefined if this is not a quantity. */
export function parseQuantity(text: string | number): bigint | undefined {
  const match = pattern.exec(String(text))
  if (!match) return undefined
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match
  if (whole === '' && fraction === '') return undefined
  const digits = BigInt(whole + fraction)
  const binary = binaryExponent[suffix]
  const tens = exponent ? Number(exponent.slice(1)) : binary === undefined ? decimalExponent[suffix] : 0
  if (tens === undefined) return undefined
  const multiplied = digits * nanoPerUnit * 1024n ** BigInt(binary ?? 0)
  const shift = tens - fraction.length
  const magnitude =
    shift >= 0 ? multiplied * 10n ** BigInt(shift) : divideUp(multiplied, 10n ** BigInt(-shift))
  return sign === '-' ? -magnitude : magnitude
}

function divideUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor
}

/** Equal by value; false when either is not a quantity. */
export function sameQuantity(a: string | number | undefined, b: string | number | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  if (a === b) return true
  const left = parseQuantity(a)
  return left !== undefined && left === parseQuantity(b)
}

type QuantityMap = Readonly<Record<string, string | number>> | undefined

/** The same resources with equal values, whatever the order or the notation. */
export function sameQuantities(a: QuantityMap, b: QuantityMap): boolean {
  const left = Object.entries(a ?? {})
  const right = new Map(Object.entries(b ?? {}))
  return left.length === right.size && left.every(([name, value]) => sameQuantity(value, right.get(name)))
}
