import { basename } from 'node:path'

/** What the user typed: as a plug-in of kubectl, this program is called kubectl-greenroom. */
export function programName(path: string = process.argv[1] ?? ''): 'greenroom' | 'kubectl greenroom' {
  return basename(path).startsWith('kubectl-') ? 'kubectl greenroom' : 'greenroom'
}

/** Under this name kubectl looks for whatever completes the words of the plug-in. */
export function isCompleter(path: string = process.argv[1] ?? ''): boolean {
  return basename(path).startsWith('kubectl_complete-')
}
