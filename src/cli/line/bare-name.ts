/** `pool/echo-agent`, as `-o name` prints it, is taken as well as `echo-agent`. */
export function bareName(kind: string, text: string): string {
  return text.startsWith(`${kind}/`) ? text.slice(kind.length + 1) : text
}
