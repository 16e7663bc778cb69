import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** From a program that is there already (a second) to a model of many GB on a new node. */
const startBuckets = [0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600]

/** Pools and their pods, as the leading controller sees them. */
export function createPoolMetrics(registry: Registry) {
  const registers = [registry]
  return {
    poolSlots: new Gauge({
      name: 'greenroom_pool_slots',
      help: 'Slots of a pool by state, as the controller sees them.',
      labelNames: ['agent_type', 'state'],
      registers,
    }),
    poolTarget: new Gauge({
      name: 'greenroom_pool_target',
      help: 'Idle pods that the pool keeps, Ready or starting.',
      labelNames: ['agent_type'],
      registers,
    }),
    poolRecommended: new Gauge({
      name: 'greenroom_pool_recommended',
      help: 'Idle pods that the rule of a pool would keep, where sizing.mode is recommend.',
      labelNames: ['agent_type'],
      registers,
    }),
    poolArrivals: new Counter({
      name: 'greenroom_pool_arrivals_total',
      help: 'Sessions that a pool was asked for, each once, refused and waiting ones too: warm found a free pod, missed did not.',
      labelNames: ['agent_type', 'result'],
      registers,
    }),
    foreignPods: new Counter({
      name: 'greenroom_pool_pods_refused_total',
      help: 'Pods with the labels of a pool that the controller did not create (foreign), or that others changed since (changed).',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    podsCreated: new Counter({
      name: 'greenroom_pods_created_total',
      help: 'Pods the controller created, by result.',
      labelNames: ['agent_type', 'result'],
      registers,
    }),
    poolProblem: new Gauge({
      name: 'greenroom_pool_problem',
      help: '1 while a pool does not get its pods, by cause; GET /v1/pools has the words.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    poolQuotaPods: new Gauge({
      name: 'greenroom_pool_quota_pods',
      help: 'Pods in all that the ResourceQuotas allow a pool beside what others use; absent without a quota.',
      labelNames: ['agent_type'],
      registers,
    }),
    podResizes: new Counter({
      name: 'greenroom_pod_resizes_total',
      help: 'Claimed pods whose requests are raised to their full size, by outcome: asked, refused (by the API server), deferred or infeasible (by the node), full.',
      labelNames: ['agent_type', 'outcome'],
      registers,
    }),
    podStartFailures: new Counter({
      name: 'greenroom_pod_start_failures_total',
      help: 'Pods that ended or got stuck before they served, by cause.',
      labelNames: ['agent_type', 'cause'],
      registers,
    }),
    poolTargetTerms: new Gauge({
      name: 'greenroom_pool_target_terms',
      help: 'What the target of a pool was made from, in pods, by term; docs/sizing.md has their meaning.',
      labelNames: ['agent_type', 'term'],
      registers,
    }),
    poolDemand: new Gauge({
      name: 'greenroom_pool_demand_per_second',
      help: 'Sessions that a pool is asked for in a second, as its sizing estimates it.',
      labelNames: ['agent_type'],
      registers,
    }),
    poolHitRateGoal: new Gauge({
      name: 'greenroom_pool_hit_rate_goal_ratio',
      help: 'Part of the sessions that find a free pod, as the pool promises with sizing.hitRate; absent without.',
      labelNames: ['agent_type'],
      registers,
    }),
    podStartSeconds: new Histogram({
      name: 'greenroom_pod_start_seconds',
      help: 'Time from the creation of a pod until it is Ready, by why it was made: refill (the idle target), waiting (an open waits), canary (of a roll-out), unknown (made by an earlier leader).',
      labelNames: ['agent_type', 'cause'],
      buckets: startBuckets,
      registers,
    }),
  }
}
