import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { Service } from '../serving/service.ts'

const info = {
  title: 'Greenroom session API',
  version: '1',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
}

/** `/openapi.json`, and `/docs` for people; `authenticate` says who may read them. Describes the routes that are added after it. */
export async function addApiDocument(app: Service): Promise<void> {
  await app.register(swagger, {
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
