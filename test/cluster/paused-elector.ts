import { pino } from 'pino'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createLeaseElector } from '../../src/cluster/lease-elector.ts'

/** A process of its own that can be stopped by a signal: says 50 times a second whether it believes that it leads. */
const [kubeconfig, namespace = '', name = '', timing = '{}'] = process.argv.slice(2)
const elector = createLeaseElector({
  clients: createKubeClients({ access: await loadKubeAccess({ KUBECONFIG: kubeconfig }) }),
  namespace,
  name,
  identity: 'paused',
  timing: JSON.parse(timing),
  onLeading: () => undefined,
  logger: pino({ level: 'silent' }),
})
elector.start()
setInterval(() => console.log(JSON.stringify({ at: Date.now(), leading: elector.leading() })), 20)
// Ends with its parent.
process.stdout.on('error', () => process.exit(0))
