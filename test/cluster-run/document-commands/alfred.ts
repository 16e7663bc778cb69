import { type DocumentCommand, podWith } from './document-command.ts'

/** Alfred's document, in the order of its README. */

const core = podWith('alfred-platform', 'app=alfred-platform,component=agent-core')
const fill = {
  '<pod-name>': core,
  '<service-name>': ['get', 'svc', 'agent-core', '-n', 'alfred-platform', '-o', 'jsonpath={.metadata.name}'],
}

export const alfredCommands: readonly DocumentCommand[] = [
  {
    item: '003-24',
    command: 'kubectl get pods -n alfred-platform',
    prints: /agent-core-\S+\s+1\/1\s+Running/,
  },
  {
    item: '003-24',
    command: 'kubectl get ingress -n alfred-platform',
    prints: /alfred-platform\s+nginx\s+api\.alfred-platform\.example\.com,ui\.alfred-platform\.example\.com/,
  },
  {
    item: '003-32',
    command: 'kubectl describe pod <pod-name> -n alfred-platform',
    prints: /Readiness:\s+http-get http:\/\/:8011\/health delay=5s/,
    fill,
  },
  {
    item: '003-32',
    command: 'kubectl logs <pod-name> -n alfred-platform',
    prints: /INFO agent-core listens on 8011/,
    fill,
  },
  // Healthy also means that its database takes a query with the URL of Secret alfred-secrets.
  {
    item: '003-33',
    command: 'kubectl exec -it <pod-name> -n alfred-platform -- curl <service-name>:8011/health',
    prints: /"status":"healthy","service":"agent-core","missing":\[\]/,
    fill,
  },
  {
    item: '003-34',
    command: 'kubectl top pods -n alfred-platform',
    // Where metrics-server is, it prints them.
    prints: /Metrics API not available/,
    fails: true,
  },
  {
    item: '003-34',
    command: 'kubectl describe nodes | grep -A 10 "Allocated resources"',
    prints: /cpu\s+\d+m \(\d+%\)/,
  },
  {
    item: '003-35',
    command: 'kubectl get configmap alfred-config -n alfred-platform -o yaml',
    prints: /environment: development/,
  },
  {
    item: '003-35',
    command: 'kubectl describe deployment agent-core -n alfred-platform',
    prints: /RollingUpdateStrategy:\s+0 max unavailable, 1 max surge/,
  },
  {
    item: '003-36',
    command:
      'kubectl debug -it <pod-name> -n alfred-platform --image=busybox:1.36 --target=<container-name> --profile=baseline -- sh',
    input: 'wget -q -O - http://127.0.0.1:8011/health\nexit\n',
    prints: /"service":"agent-core"/,
    fill: {
      ...fill,
      '<container-name>': [...core.slice(0, -1), 'jsonpath={.items[0].spec.containers[0].name}'],
    },
  },
  {
    item: '003-37',
    command:
      'kubectl run network-test --image=nicolaka/netshoot:v0.14 --rm -it --namespace alfred-platform -- /bin/bash',
    input: 'id -u\ncurl --silent http://agent-core:8011/health\nexit\n',
    prints: /"service":"agent-core"/,
  },
  {
    item: '003-38',
    command: 'kubectl logs -l app=alfred-platform,component=agent-core -n alfred-platform --tail=100',
    prints: /INFO agent-core listens on 8011/,
  },
]
