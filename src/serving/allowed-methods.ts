import type { Service } from './service.ts'

/** Which methods an address takes, for a request with another one. To be called before any route is added. */
export function watchMethods(app: Service): (path: string) => readonly string[] {
  const methodsByRoute = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const route = methodsByRoute.get(url) ?? { pattern: patternOf(url), methods: new Set() }
    methodsByRoute.set(url, route)
    for (const one of [method].flat()) route.methods.add(one)
  })
  return (path) => {
    const address = decoded(path)
    const fitting = [...methodsByRoute.values()].filter(({ pattern }) => pattern.test(address))
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].sort()
  }
}

/** `/v1/sessions/:id` and `/docs/*`. */
function patternOf(url: string): RegExp {
  const parts = url.split(/(:[^/]+|\*)/)
  const text = parts.map((part) => {
    if (part === '*') return '.*'
    return part.startsWith(':') ? '[^/]+' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${text.join('')}$`)
}

/** As the router does: a slash that is escaped stays one. */
function decoded(path: string): string {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}
