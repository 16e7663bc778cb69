import { type DocumentCommand, podWith } from './document-command.ts'

/** Sekha's document, in the order of its README. */

const fill = {
  '<pod-name>': podWith('sekha', 'app=sekha-controller'),
  PASSWORD: [
    'get',
    'secret',
    'sekha-db-secret',
    '-n',
    'sekha',
    '-o',
    'go-template={{.data.password | base64decode}}',
  ],
}
const restricted =
  '{"spec":{"securityContext":{"runAsNonRoot":true,"runAsUser":999,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"debug","securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}'
const select = 'psql "postgresql://sekha:PASSWORD@postgres:5432/sekha" -c "SELECT 1;"'

export const sekhaCommands: readonly DocumentCommand[] = [
  { item: '004-23', command: 'kubectl get pods -n sekha', prints: /sekha-controller-\S+\s+1\/1\s+Running/ },
  {
    item: '004-23',
    command: 'kubectl describe pod <pod-name> -n sekha',
    prints: /Liveness:\s+http-get http:\/\/:8080\/health delay=30s timeout=5s period=10s/,
    fill,
  },
  {
    item: '004-23',
    command: 'kubectl logs <pod-name> -n sekha',
    prints: /INFO sekha-controller listens on 8080/,
    fill,
  },
  {
    item: '004-23',
    command: 'kubectl get svc -n sekha',
    prints: /sekha-controller\s+ClusterIP\s+\S+\s+<none>\s+80\/TCP/,
  },
  {
    item: '004-23',
    command: 'kubectl describe svc sekha-controller -n sekha',
    prints: /TargetPort:\s+8080\/TCP/,
  },
  // Healthy also means that PostgreSQL takes a query, and that ChromaDB and Ollama take a connection.
  {
    item: '004-24',
    command: 'kubectl port-forward -n sekha svc/sekha-controller 8080:80',
    prints: /Forwarding from 127\.0\.0\.1:8080 -> 8080/,
    goesOn: true,
    meanwhile: [
      {
        command: 'curl http://localhost:8080/health',
        prints: /"status":"healthy","service":"sekha-controller","missing":\[\]/,
      },
    ],
  },
  {
    item: '004-25',
    command: `kubectl run -it --rm debug --image=postgres:16 --restart=Never -n sekha -- ${select}`,
    prints: /violates PodSecurity "restricted/,
    fails: true,
    fill,
  },
  {
    item: '004-25',
    command: `kubectl run -it --rm debug --image=postgres:16 --restart=Never -n sekha --override-type=strategic --overrides='${restricted}' -- ${select}`,
    prints: /\(1 row\)/,
    fill,
  },
]
