import { greenroomVersion } from '../domain/greenroom-version.ts'
import { action } from './line/command-spec.ts'

export const version = action({
  summary: 'Say the version of this program',
  about: 'Commands warn on stderr when the server that they ask is of another version.',
  options: { json: { type: 'boolean', help: 'as JSON' } },
  examples: [{ line: 'greenroom version', does: 'greenroom 0.1.0' }],
  async run({ options }) {
    const { version: node } = process
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ version: greenroomVersion, node })}\n`
        : `greenroom ${greenroomVersion} (Node.js ${node.slice(1)})\n`,
    )
  },
})
