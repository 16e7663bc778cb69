import { actionGroup } from './line/command-spec.ts'
import { freezePool, setPool, thawPool } from './pools/change-pool.ts'
import { explainPool } from './pools/explain-pool.ts'
import { getPool, listPools } from './pools/pool-list.ts'
import { replayPool } from './pools/replay-pool.ts'
import { retirePod } from './pools/retire-pod.ts'
import { rollout } from './rollout.ts'

export const pools = actionGroup({
  summary: 'List, show, explain, resize, freeze and roll out pools',
  about:
    'set, freeze and thaw write the ConfigMap agent-pools with the rights of your kubeconfig. The others ask the session server.',
  actions: {
    list: listPools,
    get: getPool,
    explain: explainPool,
    replay: replayPool,
    set: setPool,
    freeze: freezePool,
    thaw: thawPool,
    retire: retirePod,
    rollout,
  },
  otherwise: 'list',
  examples: [
    { line: 'greenroom pools', does: 'How many pods each has' },
    { line: 'greenroom pools explain echo-agent', does: 'Why that many' },
    { line: 'greenroom pools set echo-agent --min 5 --dry-run', does: 'What a change would write' },
  ],
})
