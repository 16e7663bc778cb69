/** What stands for an image: a folder of this machine. */
export interface ContainerImage {
  /** Working directory unless the container names one. */
  readonly workingDir: string
  readonly env?: Readonly<Record<string, string>>
  /** What runs if the container has neither command nor args (args are appended to it, as to an ENTRYPOINT). */
  readonly command?: readonly string[]
  /** User of the image; 0 unless given, as with a Dockerfile that names none. */
  readonly user?: number
}
