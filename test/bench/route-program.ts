import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { fastify } from 'fastify'
import { freePort } from '../../bed/servers/free-port.ts'
import { answerCalls } from './bench-process.ts'

/** The baseline of every HTTP case: a route of fastify that parses the same body and answers as many bytes, and no more. */
export type RouteCalls = {
  listen(answer: object): Promise<number>
  /** POST /mutate over TLS. */
  listenTls(route: { answer: object; cert: string; key: string }): Promise<number>
  /**
   * An admission webhook that judges nothing: it asks the teacher once for a patch, answers every POST /mutate with it,
   * and allows every POST /validate.
   */
  listenWebhook(webhook: { cert: string; key: string; teacher: Teacher }): Promise<number>
}

interface Teacher {
  readonly host: string
  readonly port: number
  readonly ca: string
}

interface Review {
  readonly request: { readonly uid: string }
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
  async listenWebhook({ cert, key, teacher }) {
    const app = fastify({ https: { cert, key, minVersion: 'TLSv1.3' }, keepAliveTimeout: 120_000 })
    let learnt: Promise<object> | undefined
    app.post('/mutate', async ({ body }) => {
      learnt ??= taught(teacher, body as Review)
      return answerTo(body as Review, await learnt)
    })
    app.post('/validate', async ({ body }) => answerTo(body as Review, { allowed: true }))
    const port = await freePort()
    await app.listen({ host: '127.0.0.1', port })
    return port
  },
}
answerCalls(calls)

function answerTo({ request }: Review, response: object): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { ...response, uid: request.uid },
  }
}

async function taught({ host, port, ca }: Teacher, review: Review): Promise<object> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const options = { host, port, ca, path: '/mutate', method: 'POST', agent: false }
  const asked = request({ ...options, headers: { 'content-type': 'application/json' } }, (answer) => {
    text(answer).then(resolve, reject)
  })
  asked.on('error', reject)
  asked.end(JSON.stringify(review))
  const { response } = JSON.parse(await promise) as { response: { patch?: string } }
  if (response.patch === undefined) throw new Error('the teacher gave no patch')
  return response
}
