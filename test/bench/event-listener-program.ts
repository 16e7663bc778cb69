import { answerCalls } from './bench-process.ts'
import { createListenerCalls } from './event-listeners.ts'

/** Event streams as a process of its own; see `event-listeners.ts`. */
answerCalls(createListenerCalls())
