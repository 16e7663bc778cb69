/**
 * The form of an agent type's name wherever one is declared: pools, rows of the policy. It is a DNS label, because it
 * becomes part of pod names and the value of labels, and at most 42 characters, so that a pod's name has room for the
 * suffix that the API server adds.
 */
export const agentTypePattern = '^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$'

/**
 * The longest name that a caller may ask for: what a label's value holds. A shorter name that no pool can have is
 * answered like any unknown type.
 */
export const longestAgentTypeAsked = 63
