import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

/**
 * Rule user-ids leaves such a container as it is while this rule is enforced. Otherwise it gets the user of the row, and
 * its author is warned.
 */
export const rootInitContainers: GreenroomRule = {
  rule: 'root-init-containers',
  title: 'Init containers that ask for root',
  fields: ['spec.initContainers[*].securityContext.runAsUser'],
  allowed: 'any user but 0, or unset',
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'no',
  why: 'An init container that asks for root prepares something as root; as another user it would fail when the pod runs.',
  fix: "Leave runAsUser out if it works as the row's user, and let fsGroup give it the volume; or set modes.root-init-containers to warn.",
  judge: ({ containers, row }) =>
    containers
      .filter(({ kind, container }) => kind === 'init' && container.securityContext?.runAsUser === 0)
      .map(({ path }) =>
        finding(
          `${path}.securityContext.runAsUser`,
          0,
          `the row's user ${row?.securityContext.runAsUser}, and this container would fail at run time if it needs root`,
        ),
      ),
}
