import { type Static, Type } from 'typebox'
import { closed, serviceAccountUser } from './policy-scalars.ts'

/** People and programs that may change what the policy rests on, by what the API server knows of a caller. */

/** Cluster administrators: by certificate, and as kubeadm makes them since 1.29. */
const administrators = ['system:masters', 'kubeadm:cluster-admins']

const name = Type.String({ minLength: 1 })

export const Owners = (description: string) =>
  Type.Object(
    {
      users: Type.Array(name, { default: [] }),
      groups: Type.Array(name, { default: administrators }),
      serviceAccounts: Type.Array(serviceAccountUser, { default: [] }),
    },
    { ...closed, default: {}, description },
  )
export type Owners = Static<ReturnType<typeof Owners>>

interface Caller {
  readonly username?: string
  readonly groups?: readonly string[]
}

export function isOwner({ username, groups = [] }: Caller, owners: Owners): boolean {
  if (groups.some((group) => owners.groups.includes(group))) return true
  return username !== undefined && [...owners.users, ...owners.serviceAccounts].includes(username)
}

export function ownersCount({ users, groups, serviceAccounts }: Owners): number {
  return users.length + groups.length + serviceAccounts.length
}

/** Most owners that a message names; the policy has the whole list. */
const namedOwners = 5

export function ownersInWords({ users, groups, serviceAccounts }: Owners): string {
  const owners = [
    ...users.map((user) => `user ${user}`),
    ...groups.map((group) => `group ${group}`),
    ...serviceAccounts,
  ]
  const named = owners.slice(0, namedOwners).join(', ') || 'nobody'
  return owners.length > namedOwners ? `${named}, …` : named
}
