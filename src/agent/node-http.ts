/**
 * Node's http without its face for ES modules. An `import` of it reads every export at once, and three of them load
 * undici: 20 ms of processor time and 8 MB of every agent that starts.
 */
export const http = process.getBuiltinModule('node:http')

/** Loaded when the first address wants it: TLS costs the start of an agent another 17 ms. */
export function https() {
  return process.getBuiltinModule('node:https')
}
