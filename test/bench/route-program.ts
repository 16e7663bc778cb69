import { fastify } from 'fastify'
import { freePort } from '../support/free-port.ts'
import { answerCalls } from './bench-process.ts'

/** The baseline of every HTTP case: a route of fastify that parses the same body and answers as many bytes, and no more. */
export type RouteCalls = {
  listen(answer: object): Promise<number>
  /** POST /mutate over TLS. */
  listenTls(route: { answer: object; cert: string; key: string }): Promise<number>
}

const calls: RouteCalls = {
  async listen(answer) {
    const app = fastify()
    app.post('/v1/sessions', async (_request, reply) => reply.code(201).send(answer))
    const port = await freePort()
    await app.listen({ host: '127.0.0.1', port })
    return port
  },
  async listenTls({ answer, cert, key }) {
    const app = fastify({ https: { cert, key, minVersion: 'TLSv1.3' } })
    app.post('/mutate', async () => answer)
    const port = await freePort()
    await app.listen({ host: '127.0.0.1', port })
    return port
  },
}
answerCalls(calls)
