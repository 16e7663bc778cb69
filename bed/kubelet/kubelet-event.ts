/** What the process kubelet does, for the bed's timeline and for tests. */
export type KubeletEvent =
  | ({
      readonly podUid: string
      readonly pod: string
    } & (
      | { readonly kind: 'bound' }
      | { readonly kind: 'container-started'; readonly container: string; readonly pid: number }
      | { readonly kind: 'container-exited'; readonly container: string; readonly exitCode: number }
      /** `sinceStartMs`: from the start of the pod's last container. */
      | { readonly kind: 'ready'; readonly sinceStartMs: number }
      | { readonly kind: 'unhealthy'; readonly container: string; readonly message: string }
      | {
          readonly kind: 'waiting'
          readonly container: string
          readonly reason: string
          readonly message: string
        }
      | { readonly kind: 'deleted' }
    ))
  | { readonly kind: 'warning'; readonly message: string }
