import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { createBatchedCounter } from './batched-counter.ts'
import type { ReviewGate } from './review-gate.ts'

/** A review takes a fraction of a millisecond; the top is the API server's own limit of 30 s. */
const reviewSecondsBuckets = [
  0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5, 30,
]

/** The metrics of reviews. No pod names, users or namespaces as labels. */
export function createWebhookMetrics(registry: Registry) {
  const registers = [registry]
  return {
    reviewSeconds: new Histogram({
      name: 'greenroom_admission_review_seconds',
      help: 'Time from the parsed AdmissionReview to the answer, by endpoint.',
      labelNames: ['endpoint'],
      buckets: reviewSecondsBuckets,
      registers,
    }),
    reviews: createBatchedCounter(registry, {
      name: 'greenroom_admission_reviews_total',
      help: 'AdmissionReviews answered, by endpoint, operation and decision (allowed, patched, denied, failed).',
      labelNames: ['endpoint', 'operation', 'decision'],
    }),
    changes: createBatchedCounter(registry, {
      name: 'greenroom_admission_changes_total',
      help: 'Pods changed, by rule: a pod counts once for each rule that changed it.',
      labelNames: ['rule'],
    }),
    violations: createBatchedCounter(registry, {
      name: 'greenroom_admission_violations_total',
      help: 'Violations found, by rule, code and mode (enforce: the request was denied; warn, audit: it was not).',
      labelNames: ['rule', 'code', 'mode'],
    }),
    refused: new Counter({
      name: 'greenroom_admission_refused_requests_total',
      help: 'Requests that were not an AdmissionReview, or that came while too many waited, by code.',
      labelNames: ['code'],
      registers,
    }),
    late: new Counter({
      name: 'greenroom_admission_late_total',
      help: 'Reviews that were read after the deadline that the API server gave with ?timeout=.',
      labelNames: ['endpoint'],
      registers,
    }),
    waited: new Counter({
      name: 'greenroom_admission_waited_total',
      help: 'Reviews that had to wait because too much was being read already.',
      registers,
    }),
  }
}

/** How many reviews are inside and how many wait, read from the gate at each scrape. */
export function registerGateMetrics(registry: Registry, gate: Pick<ReviewGate, 'inside' | 'waiting'>): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value())
      },
    })
  gauge('greenroom_admission_in_flight', 'Reviews being read or judged now.', () => gate.inside())
  gauge('greenroom_admission_waiting', 'Reviews that wait for room now.', () => gate.waiting())
}

export type WebhookMetrics = ReturnType<typeof createWebhookMetrics>
