import { open } from 'node:fs/promises'

/** A write request as the API server's audit log has it. */
export interface ApiWrite {
  readonly user: string
  /** create, update, patch, delete or deletecollection. */
  readonly verb: string
  readonly resource: string
  readonly subresource?: string
  readonly namespace?: string
  /** Absent for a create with generateName. */
  readonly name?: string
  /** Judged as a write and not carried out. */
  readonly dryRun: boolean
  /** HTTP status of the answer. */
  readonly code: number
  /** When it was answered, epoch ms with fractions, by the API server's clock. */
  readonly at: number
}

export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', users: ['system:apiserver'] },
    { level: 'Metadata', verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'] },
    { level: 'None' },
  ],
} as const

interface AuditEvent {
  readonly user: { readonly username: string }
  readonly verb: string
  readonly requestURI: string
  readonly objectRef?: {
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
  /** RFC 3339 with microseconds. */
  readonly stageTimestamp: string
}

/** Returns a function that reads the writes so far; each call parses only what is new. */
export function createAuditLog(path: string): () => Promise<readonly ApiWrite[]> {
  const writes: ApiWrite[] = []
  let offset = 0
  let reading: Promise<void> = Promise.resolve()

  async function readOn(): Promise<void> {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - offset), 0, size - offset, offset)
      // The last line may still be in the writing.
      const end = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1
      offset += end
      for (const line of buffer.toString('utf8', 0, end).split('\n')) {
        if (line !== '') writes.push(writeFrom(JSON.parse(line) as AuditEvent))
      }
    } finally {
      await file.close()
    }
  }

  return async () => {
    reading = reading.then(readOn)
    await reading
    return [...writes]
  }
}

function writeFrom(event: AuditEvent): ApiWrite {
  const { user, verb, requestURI, objectRef, responseStatus, stageTimestamp } = event
  return {
    user: user.username,
    verb,
    resource: objectRef?.resource ?? '',
    ...(objectRef?.subresource !== undefined && { subresource: objectRef.subresource }),
    ...(objectRef?.namespace !== undefined && { namespace: objectRef.namespace }),
    ...(objectRef?.name !== undefined && { name: objectRef.name }),
    dryRun: new URLSearchParams(requestURI.split('?')[1]).has('dryRun'),
    code: responseStatus?.code ?? 0,
    at: millisecondsOf(stageTimestamp),
  }
}

/** Date keeps whole milliseconds only. */
function millisecondsOf(time: string): number {
  const [, micros = '0'] = /\.\d{3}(\d{1,3})/.exec(time) ?? []
  return Date.parse(time) + Number(micros.padEnd(3, '0')) / 1_000
}
