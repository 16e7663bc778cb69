import { spawn } from 'node:child_process'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { V1Container, V1Probe } from '@kubernetes/client-node'
import type { SystemUser } from '../processes/system-user.ts'

/** Where and as whom a container is probed. */
export interface ProbeTarget {
  readonly container: V1Container
  readonly podIp: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: SystemUser | undefined
}

type ProbeResult = { readonly healthy: true } | { readonly healthy: false; readonly message: string }

/** One probe, as a kubelet makes it; never rejects. */
export async function probeOnce(probe: V1Probe, target: ProbeTarget): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1_000
  const { promise, resolve } = Promise.withResolvers<ProbeResult>()
  const cancel = startProbe(probe, target, resolve)
  const timer = setTimeout(() => resolve(unhealthy(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    cancel()
  }
}

function startProbe(probe: V1Probe, target: ProbeTarget, done: (result: ProbeResult) => void): () => void {
  if (probe.httpGet) return probeHttp(probe.httpGet, target, done)
  if (probe.tcpSocket) return probeTcp(probe.tcpSocket, target, done)
  if (probe.exec) return probeExec(probe.exec.command ?? [], target, done)
  done(unhealthy('the process kubelet knows httpGet, tcpSocket and exec probes only'))
  return () => undefined
}

function probeHttp(
  { host, port, path = '/', scheme, httpHeaders }: NonNullable<V1Probe['httpGet']>,
  target: ProbeTarget,
  done: (result: ProbeResult) => void,
): () => void {
  const call = scheme === 'HTTPS' ? httpsRequest : httpRequest
  const request = call({
    host: host ?? target.podIp,
    port: portNumber(port, target),
    path,
    headers: {
      'user-agent': 'kube-probe/process-kubelet',
      connection: 'close',
      ...Object.fromEntries((httpHeaders ?? []).map(({ name, value }) => [name, value])),
    },
    // One connection per probe, as a kubelet does; certificates are not verified by it either.
    agent: false,
    rejectUnauthorized: false,
  })
  request.on('response', (response) => {
    const status = response.statusCode ?? 0
    response.resume()
    done(
      status >= 200 && status < 400
        ? { healthy: true }
        : unhealthy(`HTTP probe failed with status ${status}`),
    )
  })
  request.on('error', ({ message }) => done(unhealthy(message)))
  request.end()
  return () => request.destroy()
}

function probeTcp(
  { host, port }: NonNullable<V1Probe['tcpSocket']>,
  target: ProbeTarget,
  done: (result: ProbeResult) => void,
): () => void {
  const socket = connect({ host: host ?? target.podIp, port: portNumber(port, target) }, () =>
    done({ healthy: true }),
  )
  socket.on('error', ({ message }) => done(unhealthy(message)))
  return () => socket.destroy()
}

function probeExec(
  [program = '', ...args]: readonly string[],
  { cwd, env, user }: ProbeTarget,
  done: (result: ProbeResult) => void,
): () => void {
  const child = spawn(program, args, { cwd, env: { ...env }, stdio: 'ignore', ...user })
  child.on('error', ({ message }) => done(unhealthy(message)))
  child.on('exit', (code) =>
    done(code === 0 ? { healthy: true } : unhealthy(`exec probe ended with ${code}`)),
  )
  return () => child.kill('SIGKILL')
}

/** A named port is looked up in the container. */
function portNumber(port: number | string, { container }: ProbeTarget): number {
  const named = container.ports?.find(({ name }) => name === port)?.containerPort
  return named ?? Number(port)
}

function unhealthy(message: string): ProbeResult {
  return { healthy: false, message }
}
