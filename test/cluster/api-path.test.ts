import t from 'tap'
import { apiPath } from '../../src/cluster/api-path.ts'

void t.test('paths of collections and of objects; every part is encoded', (t) => {
  t.equal(apiPath({ resource: 'pods', namespace: 'ai-agents' }), '/api/v1/namespaces/ai-agents/pods')
  t.equal(
    apiPath({ resource: 'configmaps', namespace: 'a/b?c', name: 'd#e' }),
    '/api/v1/namespaces/a%2Fb%3Fc/configmaps/d%23e',
  )
  t.equal(
    apiPath({ resource: 'mutatingwebhookconfigurations', name: 'w' }),
    '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/w',
  )
  t.end()
})
