import { createInterface } from 'node:readline/promises'
import { wrongArguments } from './wrong-arguments.ts'

/** Asks a person; a program says --yes. @throws GreenroomError GRN_WRONG_ARGUMENTS where nobody can be asked */
export async function confirm(question: string, isSaid: boolean): Promise<boolean> {
  if (isSaid) return true
  if (!process.stdin.isTTY) throw wrongArguments('Nobody can be asked here: give --yes.')
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}
