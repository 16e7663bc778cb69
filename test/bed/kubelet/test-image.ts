import { createServer } from 'node:http'

/**
 * The program of the kubelet's tests. Answers /ready, /env and /break (which makes /ready and /live fail); behaviour by
 * environment: EXIT_CODE ends it at once, IGNORE_TERM survives SIGTERM, otherwise SIGTERM ends it with code 7.
 */
const { EXIT_CODE, IGNORE_TERM, GREENROOM_LISTEN_ADDRESS, EXIT_ON_FIRST, TMPDIR } = process.env

if (EXIT_CODE !== undefined) process.exit(Number(EXIT_CODE))
if (EXIT_ON_FIRST !== undefined) {
  const { existsSync, writeFileSync } = await import('node:fs')
  const mark = `${TMPDIR}/started-before`
  if (!existsSync(mark)) {
    writeFileSync(mark, '')
    process.exit(Number(EXIT_ON_FIRST))
  }
}

let broken = false
const server = createServer((request, response) => {
  if (request.url === '/break') broken = true
  if (request.url === '/env') {
    response.end(JSON.stringify({ env: process.env, uid: process.getuid?.(), args: process.argv.slice(2) }))
    return
  }
  response.statusCode = broken ? 503 : 200
  response.end('ok')
})
server.listen(8080, GREENROOM_LISTEN_ADDRESS)
console.log('listening')
process.on('SIGTERM', () => {
  if (IGNORE_TERM === undefined) process.exit(7)
})
