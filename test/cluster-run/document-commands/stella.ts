import { type DocumentCommand, podWith } from './document-command.ts'

/** STELLA's documents, in the order of its README. */

const namespace = 'ai-agents'
const agent = podWith(namespace, 'app=conversational-ai-agent')
const fill = { '<agent-pod-name>': agent }
const password = {
  '<password>': [
    'get',
    'secret',
    'postgres',
    '-n',
    namespace,
    '-o',
    'go-template={{.data.POSTGRES_PASSWORD | base64decode}}',
  ],
}
/** In the place of psql, which a machine may lack. */
const sessions = `node --input-type=module -e "
  import pg from 'pg'
  const client = new pg.Client('postgresql://app:<password>@localhost:5432/app')
  await client.connect()
  console.log(await client.query('SELECT count(*) AS sessions FROM sessions').then(({ rows }) => rows[0]))
  await client.end()"`

export const whileItRuns: readonly DocumentCommand[] = [
  // The HPA's minReplicas makes it two.
  {
    item: '000-23',
    command: 'kubectl get all -n ai-agents',
    prints: /deployment\.apps\/session-management-server\s+2\/2/,
    eventually: true,
  },
  {
    item: '000-24',
    command: 'kubectl get pods -n ai-agents -l app=conversational-ai-agent',
    prints: /echo-agent-\S+\s+1\/1\s+Running/,
    eventually: true,
  },
  {
    item: '000-25',
    command: 'kubectl logs -f -n ai-agents -l app=session-management-server',
    prints: /"msg":"[^"]+"/,
    goesOn: true,
  },
  {
    item: '000-26',
    command: 'kubectl logs -n ai-agents <agent-pod-name>',
    prints: /"message":"listening"/,
    fill,
  },
  {
    item: '000-16',
    command: 'kubectl port-forward -n ai-agents svc/session-management-server 3000',
    prints: /Forwarding from 127\.0\.0\.1:3000/,
    goesOn: true,
    meanwhile: [{ command: 'curl http://localhost:3000/ready', prints: /"status":"ready"/ }],
  },
  {
    item: '000-17',
    command: 'kubectl port-forward -n ai-agents svc/livekit 7880',
    prints: /Forwarding from 127\.0\.0\.1:7880/,
    goesOn: true,
    meanwhile: [{ command: 'curl http://localhost:7880', prints: /OK/ }],
  },
  {
    item: '000-18',
    command: 'kubectl port-forward -n ai-agents svc/session-management-server 5173:3000',
    prints: /Forwarding from 127\.0\.0\.1:5173/,
    goesOn: true,
    meanwhile: [{ command: 'curl --location http://localhost:5173/try', prints: /<title>[^<]+<\/title>/ }],
  },
  {
    item: '000-27',
    command: 'kubectl port-forward -n ai-agents svc/postgres 5432:5432',
    prints: /Forwarding from 127\.0\.0\.1:5432/,
    goesOn: true,
    meanwhile: [{ command: sessions, prints: /sessions: '\d+'/ }],
    fill: password,
  },
  {
    item: '000-35',
    command: 'kubectl get role,rolebinding -n ai-agents',
    prints: /rolebinding\.rbac\.authorization\.k8s\.io\/session-management/,
  },
  { item: '000-35', command: 'kubectl get serviceaccount -n ai-agents', prints: /session-management-sa/ },
  {
    item: '000-36',
    command: 'kubectl describe pod -n ai-agents <agent-pod-name>',
    prints: /Readiness:\s+http-get http:\/\/:8080\/ready/,
    fill,
  },
  {
    item: '000-37',
    command: 'kubectl exec -it -n ai-agents deployment/session-management-server -- npm run migrate',
    prints: /"msg":"the schema is up to date"/,
  },
  {
    item: '000-37',
    command: 'kubectl logs -n ai-agents job/greenroom-migrate-0-1-0',
    prints: /"msg":"migrations applied"/,
  },
  {
    item: '000-28',
    command: 'kubectl scale deployment session-management-server -n ai-agents --replicas=3',
    prints: /deployment\.apps\/session-management-server scaled/,
  },
  {
    item: '000-28',
    command: 'kubectl get all -n ai-agents',
    prints: /deployment\.apps\/session-management-server\s+3\/3/,
    eventually: true,
  },
  {
    item: '000-41',
    command: 'kubectl rollout restart deployment/session-management-server -n ai-agents',
    prints: /deployment\.apps\/session-management-server restarted/,
  },
  {
    item: '000-41',
    command: 'kubectl rollout status deployment/session-management-server -n ai-agents',
    prints: /successfully rolled out/,
  },
]

/** Everything goes. The webhook's configurations before the webhook, which the last pods still need. */
export const deletion: readonly DocumentCommand[] = [
  {
    item: '000-39',
    command: 'kubectl delete namespace ai-agents',
    prints: /namespace "ai-agents" deleted/,
  },
  {
    item: '000-39',
    command: 'kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration agent-webhook',
    prints: /"agent-webhook" deleted/,
  },
  {
    item: '000-39',
    command: 'kubectl delete namespace greenroom-system',
    prints: /namespace "greenroom-system" deleted/,
  },
]

export const stellaCommands = [...whileItRuns, ...deletion]
