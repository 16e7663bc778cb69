import { connect } from 'node:net'

/** Sends one command on a connection of its own; resolves with the answer, or with why there is none. */
export function askRedis(socketPath: string, command: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = connect(socketPath, () => socket.write(`${command}\r\n`))
  socket.setTimeout(3_000, () => socket.destroy())
  socket.once('data', (answer) => {
    resolve(answer.toString().trim())
    socket.destroy()
  })
  socket.once('error', ({ message }) => resolve(message))
  socket.once('close', () => resolve('no answer'))
  return promise
}
