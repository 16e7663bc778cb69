/** Names of the fields that say something and are not among the known ones. A newer Kubernetes may have more of them. */
export function extraFields(value: object, known: ReadonlySet<string>): string[] {
  return Object.entries(value)
    .filter(([field, content]) => !known.has(field) && !isNothing(content))
    .map(([field]) => field)
}

function isNothing(content: unknown): boolean {
  return (
    content === undefined ||
    content === null ||
    content === false ||
    (Array.isArray(content) && content.length === 0)
  )
}
