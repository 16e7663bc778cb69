import { writeFileSync } from 'node:fs'
import { readApiDocument } from './read-api-document.ts'

/** The text of `docs/openapi.json`. */
export async function openApiText(): Promise<string> {
  return `${JSON.stringify(await readApiDocument(), undefined, 2)}\n`
}

if (import.meta.main) {
  writeFileSync(new URL('../../docs/openapi.json', import.meta.url), await openApiText())
}
