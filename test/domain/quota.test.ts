import t from 'tap'
import { countsAgents } from '../../src/domain/quota.ts'

const scope = (name: string, operator = 'Exists', values: string[] = []) => ({
  scope: name,
  operator,
  values,
})

void t.test('which quotas count the pods of a pool', async (t) => {
  const table = [
    ['no scope', [], undefined, true],
    [
      'pods without a deadline that have resources',
      [scope('NotTerminating'), scope('NotBestEffort')],
      undefined,
      true,
    ],
    ['pods with a deadline', [scope('Terminating')], undefined, false],
    ['pods without resources', [scope('BestEffort')], undefined, false],
    [
      'one scope that does not fit is enough',
      [scope('NotTerminating'), scope('BestEffort')],
      undefined,
      false,
    ],
    ['affinity to other namespaces', [scope('CrossNamespacePodAffinity')], undefined, false],
    ['a scope of a later Kubernetes', [scope('Unheard')], undefined, false],
    ['any class, and there is none', [scope('PriorityClass')], undefined, false],
    ['any class', [scope('PriorityClass')], 'agents', true],
    ['no class', [scope('PriorityClass', 'DoesNotExist')], undefined, true],
    ['no class, and there is one', [scope('PriorityClass', 'DoesNotExist')], 'agents', false],
    ['this class', [scope('PriorityClass', 'In', ['high', 'agents'])], 'agents', true],
    ['another class', [scope('PriorityClass', 'In', ['high'])], 'agents', false],
    ['these classes, and there is none', [scope('PriorityClass', 'In', ['high'])], undefined, false],
    ['all but another class', [scope('PriorityClass', 'NotIn', ['high'])], 'agents', true],
    ['all but this class', [scope('PriorityClass', 'NotIn', ['agents'])], 'agents', false],
    ['all but a class, and there is none', [scope('PriorityClass', 'NotIn', ['high'])], undefined, true],
  ] as const
  for (const [what, scopes, priorityClass, expected] of table)
    t.equal(countsAgents({ scopes }, priorityClass), expected, what)
})
