import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifySchema } from 'fastify'
import type { Service } from '../serving/service.ts'

const info = {
  title: 'Greenroom session API',
  version: '1',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

/** `/openapi.json`, and `/docs` for people; `authenticate` says who may read them. Describes the routes that are added after it. */
export async function addApiDocument(app: Service): Promise<void> {
  await app.register(swagger, {
    transform: ({ schema, url }) => ({ schema: withoutDefaultsRequired(schema), url }),
    openapi: {
      openapi: '3.1.0',
      info,
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}

interface Properties {
  readonly properties?: Readonly<Record<string, { readonly default?: unknown }>>
  readonly required?: readonly string[]
}

/** What has a default need not be sent: our types say that it is there, because it is by the time a route sees it. */
function withoutDefaultsRequired(schema: FastifySchema): FastifySchema {
  const relaxed = Object.fromEntries(
    (['body', 'querystring', 'headers'] as const).flatMap((part) => {
      const { properties, required } = (schema?.[part] ?? {}) as Properties
      if (!properties || !required) return []
      const needed = required.filter((name) => properties[name]?.default === undefined)
      return [[part, { ...(schema[part] as object), required: needed }]]
    }),
  )
  return { ...schema, ...relaxed }
}
