import { registerHooks } from 'node:module'

/** A process of its own that imports what it is given and prints the address of everything that was loaded for it. */
const loaded: string[] = []
registerHooks({
  load(url, context, next) {
    loaded.push(url)
    return next(url, context)
  },
})
for (const module of process.argv.slice(2)) await import(module)
// A role's modules may hold handles open: exit once everything is written.
process.stdout.write(JSON.stringify(loaded), () => process.exit())
