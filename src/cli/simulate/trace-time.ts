/** 1e11 s are the year 5138, and 1e11 ms are 1973: a larger number is in milliseconds. */
const leastMilliseconds = 1e11

const dateAndTime = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d:?\d\d)?$/i

/**
 * Seconds since the epoch, or since the begin of a record: a number of seconds or milliseconds, or a date and time of
 * ISO 8601, in UTC unless it says otherwise.
 */
export function readTraceTime(text: string): number {
  if (/^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) {
    const value = Number(text)
    if (Number.isFinite(value) && value < 1e14) return value >= leastMilliseconds ? value / 1_000 : value
  }
  const [, date, time, zone = 'Z'] = dateAndTime.exec(text) ?? []
  const ms = date === undefined ? Number.NaN : Date.parse(`${date}T${time ?? ''}${zone}`)
  if (Number.isNaN(ms))
    throw new TypeError(`"${text}" is not a time (epoch seconds, milliseconds or ISO 8601)`)
  return ms / 1_000
}
