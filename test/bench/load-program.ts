import { answerCalls } from './bench-process.ts'
import { endAll, runLoad } from './load-generator.ts'

/** The load generator as a process of its own; see `load-generator.ts`. */
answerCalls({ run: runLoad, end: endAll })
