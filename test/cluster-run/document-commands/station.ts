import type { DocumentCommand } from './document-command.ts'

/** Station's document, in the order of its README. */

const health = 'kubectl exec -n station deployment/station -- curl -f http://localhost:8585/health'
const healthy = /"status":"healthy","service":"station"/
const agents = 'kubectl exec -n station deployment/station -- curl http://localhost:8585/api/v1/agents'
const external = ['get', 'svc', 'station-external', '-n', 'station']

export const whileItRuns: readonly DocumentCommand[] = [
  { item: '002-08', command: 'kubectl get pods -n station', prints: /station-\S+\s+1\/1\s+Running/ },
  { item: '002-08', command: health, prints: healthy },
  {
    item: '002-08',
    command: 'kubectl logs -n station deployment/station -f',
    prints: /INFO station listens on 8585, 8586/,
    goesOn: true,
  },
  // Also 002-04: it runs without that key.
  {
    item: '002-26',
    command: 'kubectl logs -n station deployment/station | grep -E "ERROR|WARN"',
    prints: /^WARN GEMINI_API_KEY is not set/,
  },
  {
    item: '002-11',
    command: 'kubectl port-forward -n station svc/station 8585:8585 8586:8586',
    prints: /Forwarding from 127\.0\.0\.1:8586 -> 8586/,
    goesOn: true,
    meanwhile: [
      { command: 'curl http://localhost:8585/health', prints: healthy },
      { command: 'curl http://localhost:8586', prints: /"service":"station"/ },
    ],
  },
  {
    item: '002-10',
    command:
      'kubectl exec -n station deployment/station -- curl http://station.station.svc.cluster.local:8585/health',
    prints: healthy,
  },
  {
    item: '002-10',
    command:
      'kubectl exec -n station deployment/station -- curl http://station.station.svc.cluster.local:8586',
    prints: /"service":"station"/,
  },
  {
    item: '002-12',
    command: 'kubectl get svc -n station station-external',
    prints: /station-external\s+LoadBalancer\s+\S+\s+<pending>/,
  },
  {
    item: '002-32',
    command: `kubectl patch svc station-external -n station -p '{"spec":{"type":"NodePort"}}'`,
    prints: /service\/station-external patched/,
  },
  {
    item: '002-32',
    command: 'kubectl get svc -n station station-external',
    prints: /station-external\s+NodePort/,
  },
  {
    item: '002-32',
    command: 'curl http://<node-ip>:<nodeport>/health',
    prints: healthy,
    // kube-proxy writes the rules up to a second later.
    eventually: true,
    fill: {
      '<node-ip>': [
        'get',
        'nodes',
        '-o',
        'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
      ],
      '<nodeport>': [...external, '-o', 'jsonpath={.spec.ports[0].nodePort}'],
    },
  },
  {
    item: '002-25',
    command: 'kubectl exec -n station deployment/station -- curl http://localhost:8585/metrics',
    prints: /stand_in_requests_total \d+/,
  },
  { item: '002-27', command: 'kubectl logs -n station deployment/station', prints: /INFO station/ },
  { item: '002-27', command: 'kubectl get pvc -n station', prints: /station-data\s+Bound/ },
  { item: '002-27', command: 'kubectl get secret -n station', prints: /station-secrets\s+Opaque/ },
  {
    item: '002-28',
    command: 'kubectl describe pod -n station -l app=station',
    prints: /\/data from data \(rw\)/,
  },
  {
    item: '002-28',
    command: 'kubectl describe pod -n station $(kubectl get pod -n station -l app=station -o name)',
    prints: /there is no need to specify a resource type/,
    fails: true,
  },
  {
    item: '002-29',
    command: 'kubectl get deployment -n station station -o yaml | grep STN_DEV_MODE',
    prints: /name: STN_DEV_MODE/,
  },
  { item: '002-29', command: 'kubectl get svc -n station', prints: /station\s+ClusterIP/ },
  {
    item: '002-30',
    command: 'kubectl get pod -n station -o yaml | grep image:',
    prints: /image: (docker\.io\/library\/)?station-env-name:v1/,
  },
  { item: '002-30', command: agents, prints: /"id":1,"name":"greeter","prompt":"say hello"/ },
  {
    item: '002-30',
    command: 'kubectl exec -n station deployment/station -- stn sync',
    prints: /"synced":1/,
  },
  {
    item: '002-17',
    command: 'kubectl apply -f volumesnapshot.yaml',
    prints: /volumesnapshot.*\/station-backup created/,
  },
  {
    item: '002-17',
    command:
      'kubectl create volumesnapshot station-backup --source-pvc=station-data --snapshot-class=csi-snapshot-class -n station',
    prints: /unknown flag: --source-pvc/,
    fails: true,
  },
]

/** The image becomes v2; the agent keeps its id, its configuration is the new one, and the database is the one of v1. */
export const upgrade: readonly DocumentCommand[] = [
  {
    item: '002-14',
    command: 'kubectl set image deployment/station station=station-env-name:v2 -n station',
    prints: /deployment\.apps\/station image updated/,
  },
  {
    item: '002-14',
    command: 'kubectl rollout status deployment/station -n station',
    prints: /successfully rolled out/,
  },
  // A second start in the same file. Also 002-16.
  {
    item: '002-15',
    command: agents,
    prints: /"id":1,"name":"greeter","prompt":"say good morning","starts":2/,
  },
]

/** A second replica gets no node, and the first one goes on. */
export const scaling: readonly DocumentCommand[] = [
  {
    item: '002-21',
    command: 'kubectl scale deployment/station -n station --replicas=2',
    prints: /deployment\.apps\/station scaled/,
  },
  {
    item: '002-21',
    command: 'kubectl get events -n station --field-selector reason=FailedScheduling',
    prints: /didn't match pod anti-affinity rules/,
    eventually: true,
  },
  { item: '002-21', command: health, prints: healthy },
  {
    item: '002-21',
    command: 'kubectl scale deployment/station -n station --replicas=1',
    prints: /deployment\.apps\/station scaled/,
  },
]

export const stationCommands = [...whileItRuns, ...upgrade, ...scaling]
