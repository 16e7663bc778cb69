import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '../../bed/repository.ts'
import { codeBlocks } from '../support/code-blocks.ts'

interface Pasted {
  readonly command: string
  readonly args: string[]
  readonly env: Record<string, string>
}

/** What docs/mcp.md says to paste, with this checkout, address and key in the places of its own. */
export async function pastedConfiguration(given: { apiUrl: string; apiKey: string }): Promise<Pasted> {
  const page = await readFile(join(root, 'docs/mcp.md'), 'utf8')
  const [text = ''] = codeBlocks(page, 'json')
  const { mcpServers } = JSON.parse(text) as { mcpServers: Record<string, Pasted> }
  const { greenroom } = mcpServers
  if (!greenroom) throw new Error('docs/mcp.md has no configuration of a server "greenroom"')
  return {
    command: greenroom.command === 'node' ? process.execPath : greenroom.command,
    args: greenroom.args.map((arg) => arg.replace('/path/to/greenroom', root)),
    env: { ...greenroom.env, GREENROOM_API_URL: given.apiUrl, GREENROOM_API_KEY: given.apiKey },
  }
}

export const allowedOrigin = 'https://app.example'

/** `greenroom mcp --http` as its operator starts it, with no key of its own. */
export async function startHttpMcp(apiUrl: string) {
  const args = [
    join(root, 'src/cli/greenroom.ts'),
    'mcp',
    '--http',
    '--port',
    '0',
    '--server',
    apiUrl,
    '--origin',
    allowedOrigin,
  ]
  const child = spawn(process.execPath, args, { env: {}, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  const lines = createInterface({ input: child.stderr })
  let address = ''
  for await (const line of lines) {
    address = /^MCP at (\S+)$/.exec(line)?.[1] ?? ''
    if (address !== '') break
  }
  child.stderr.resume()
  return {
    address,
    /** SIGTERM, as Kubernetes would. */
    stop: async () => {
      child.kill('SIGTERM')
      await closed
    },
  }
}
