let isWatched = false

/** `greenroom … | head -1`: whoever reads has what they wanted, so the program ends with 0 and says nothing. */
export function endQuietlyOnClosedPipe(): void {
  if (isWatched) return
  isWatched = true
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}
