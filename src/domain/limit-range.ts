/** Resource → quantity, as Kubernetes writes it. */
type Quantities = Readonly<Record<string, string>>

/** What a LimitRange asks of each container, or of each pod as a whole. Its defaults are not read. */
export interface LimitRange {
  readonly name: string
  readonly limits: readonly {
    readonly type: string
    readonly min?: Quantities
    readonly max?: Quantities
    readonly maxLimitRequestRatio?: Quantities
  }[]
}
