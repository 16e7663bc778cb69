/** True if the name is the pattern, or begins as it does up to its last character `*`. */
export function fitsPattern(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
