import { GreenroomError } from '../../errors.ts'

/** Ends the command with exit code 2 and this sentence. */
export function wrongArguments(problem: string): GreenroomError {
  return new GreenroomError('GRN_WRONG_ARGUMENTS', problem)
}

/** The value of an option that is a whole number. */
export function wholeNumber(option: string, text: string, [least, most]: readonly [number, number]): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw wrongArguments(`${option} ${text.slice(0, 40)} is not a whole number from ${least} to ${most}.`)
}
