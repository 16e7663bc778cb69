import { greenroomVersion, versionHeader } from '../domain/greenroom-version.ts'
import type { Service } from '../serving/service.ts'

/** Every answer names the version of the server, a refusal as well, so that a command line can tell that it is of another. */
export function tellVersion(app: Service): void {
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.header(versionHeader, greenroomVersion)
    done()
  })
}
