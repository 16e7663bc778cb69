import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * A kubelet's end of a port-forward over a WebSocket, behind a real API server: each connection goes to a port of this
 * machine. RFC 6455 without fragments and compression, which the API server passes on as they are.
 */
export async function startKubeletPortForward(tls: { cert: string; key: string }, targetPort: number) {
  const seen: string[] = []
  const server = createServer(tls, (_request, response) => response.writeHead(400).end('upgrade required'))
  server.on('upgrade', (request, socket: Duplex) => {
    seen.push(request.url ?? '')
    const port = Number(new URL(request.url ?? '', 'https://kubelet').searchParams.get('port') ?? 0)
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n`,
    )
    const portBytes = Buffer.alloc(2)
    portBytes.writeUInt16LE(port)
    for (const stream of [0, 1]) socket.write(frame(2, Buffer.concat([Buffer.from([stream]), portBytes])))
    forward(socket, targetPort)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, seen, close: () => server.close() }
}

function forward(socket: Duplex, targetPort: number): void {
  const target = connect(targetPort, '127.0.0.1')
  let rest: Buffer = Buffer.alloc(0)
  target.on('data', (data: Buffer) => socket.write(frame(2, Buffer.concat([Buffer.from([0]), data]))))
  target.on('close', () => socket.end(frame(8, Buffer.alloc(0))))
  for (const end of [target, socket]) end.on('error', () => undefined)
  socket.on('close', () => target.destroy())
  socket.on('data', (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    for (let message = unframe(rest); message; message = unframe(rest)) {
      rest = rest.subarray(message.length)
      if (message.opcode === 8) target.end()
      else if (message.opcode === 2 && message.payload[0] === 0) target.write(message.payload.subarray(1))
    }
  })
}

function frame(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : 4)
  head[0] = 0x80 | opcode
  if (payload.length < 126) head[1] = payload.length
  else {
    // Sockets bring 64 KiB at most at a time.
    if (payload.length > 0xffff)
      return Buffer.concat([
        frame(opcode, payload.subarray(0, 0xffff)),
        frame(opcode, Buffer.concat([Buffer.from([0]), payload.subarray(0xffff)])),
      ])
    head[1] = 126
    head.writeUInt16BE(payload.length, 2)
  }
  return Buffer.concat([head, payload])
}

function unframe(bytes: Buffer) {
  if (bytes.length < 6) return undefined
  const [first = 0, second = 0] = bytes
  const short = second & 0x7f
  const headLength = short === 126 ? 8 : 6
  if (bytes.length < headLength) return undefined
  const size = short === 126 ? bytes.readUInt16BE(2) : short
  const length = headLength + size
  if (bytes.length < length) return undefined
  const mask = bytes.subarray(headLength - 4, headLength)
  const payload = Buffer.from(
    bytes.subarray(headLength, length).map((byte, index) => byte ^ (mask[index % 4] ?? 0)),
  )
  return { opcode: first & 0x0f, payload, length }
}
