import type { Commands } from './command.ts'

/** Commands about the program itself. */
export const ownCommands: Commands = {
  completion: {
    summary: 'Print what bash, zsh or fish needs to complete the words of a command',
    load: async () => (await import('./completion.ts')).completion,
  },
  version: {
    summary: 'Say the version of this program',
    load: async () => (await import('./version.ts')).version,
  },
}
