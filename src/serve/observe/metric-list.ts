import type { KeyAccount, ModelAccount } from './ledger.ts';

/** Where a metric gets its numbers: read from the accounts when it is scraped, or told when it happens. */
export type MetricRow = {
  readonly help: string;
  readonly labels: readonly string[];
} & (
  | { readonly type: 'counter' | 'gauge'; readonly models: (of: ModelAccount) => readonly Reading[] }
  | { readonly type: 'counter'; readonly keys: (of: KeyAccount) => number }
  | { readonly type: 'counter' | 'gauge'; readonly told: true }
  | { readonly type: 'histogram'; readonly told: true; readonly buckets: readonly number[] }
);

/** A value with the labels beyond model and version. */
export type Reading = readonly [value: number, labels?: Readonly<Record<string, string>>];

const MODEL = ['model', 'version'];

/** Seconds, from a tenth of a millisecond to half a minute. */
const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

const count = (value: (of: ModelAccount) => number) => (of: ModelAccount) => [[value(of)]] as const;
/** Only while the version is there: a gauge of what is gone would stand for ever. */
const now = (value: (state: NonNullable<ModelAccount['now']>) => number) => (of: ModelAccount) =>
  of.now === undefined ? [] : ([[value(of.now)]] as const);

/** Everything under GET /metrics but what Node tells of its process; docs/serve.md shows this list. */
export const METRICS = {
  modicum_requests_total: {
    type: 'counter',
    help: 'Requests answered or refused, by protocol and HTTP status (gRPC: its equivalent).',
    labels: [...MODEL, 'protocol', 'code'],
    models: (of) =>
      [...of.answers.values()].map(({ requests, protocol, code }) => [requests, { protocol, code }] as const),
  },
  modicum_rejected_total: {
    type: 'counter',
    help: 'Requests that got no answer, by the code of the error catalogue.',
    labels: [...MODEL, 'reason'],
    models: (of) => [...of.total.reasons].map(([reason, requests]) => [requests, { reason }] as const),
  },
  modicum_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from the first byte of an answered request to the last byte of its answer.',
    labels: [...MODEL, 'protocol'],
    buckets: SECONDS,
    told: true,
  },
  modicum_queue_duration_seconds: {
    type: 'histogram',
    help: 'Time that an answered request waited before its batch was computed.',
    labels: MODEL,
    buckets: SECONDS,
    told: true,
  },
  modicum_compute_duration_seconds: {
    type: 'histogram',
    help: 'Wall time of a batch at the engine.',
    labels: MODEL,
    buckets: SECONDS,
    told: true,
  },
  modicum_batch_size: {
    type: 'histogram',
    help: 'Samples of a batch.',
    labels: MODEL,
    buckets: SIZES,
    told: true,
  },
  modicum_samples_total: {
    type: 'counter',
    help: 'Samples of answered requests.',
    labels: MODEL,
    models: count(({ total }) => total.samples),
  },
  modicum_exits_total: {
    type: 'counter',
    help: 'Samples by the stage at which they left, counted from 0 (early exits).',
    labels: [...MODEL, 'stage'],
    models: (of) => of.total.exits.map((samples, stage) => [samples, { stage: String(stage) }] as const),
  },
  modicum_cache_hits_total: {
    type: 'counter',
    help: 'Requests answered from the response cache.',
    labels: MODEL,
    models: count(({ total }) => total.cached),
  },
  modicum_retries_total: {
    type: 'counter',
    help: 'Answered requests that were computed again because a worker died.',
    labels: MODEL,
    models: count(({ total }) => total.retried),
  },
  modicum_request_bytes_total: {
    type: 'counter',
    help: 'Bytes of requests received (in) and answers sent (out).',
    labels: [...MODEL, 'direction'],
    models: ({ total }) => [
      [total.bytesIn, { direction: 'in' }],
      [total.bytesOut, { direction: 'out' }],
    ],
  },
  modicum_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of computing, all threads of the engines.',
    labels: MODEL,
    models: count(({ total }) => total.cpuSeconds),
  },
  modicum_joules_total: {
    type: 'counter',
    help: 'Energy of computing, by the method that it is known by.',
    labels: [...MODEL, 'method'],
    told: true,
  },
  modicum_dollars_total: {
    type: 'counter',
    help: 'Price of computing in USD: the share of the machine-hour that its CPU time took.',
    labels: MODEL,
    told: true,
  },
  modicum_queue_depth: {
    type: 'gauge',
    help: 'Requests that wait. What to scale on.',
    labels: MODEL,
    models: now(({ queued }) => queued),
  },
  modicum_in_flight: {
    type: 'gauge',
    help: 'Requests being computed.',
    labels: MODEL,
    models: now(({ inFlight }) => inFlight),
  },
  modicum_instances: {
    type: 'gauge',
    help: 'Copies of the model that compute at the same time.',
    labels: MODEL,
    models: now(({ instances }) => instances),
  },
  modicum_model_ready: {
    type: 'gauge',
    help: '1 where the version answers, else 0.',
    labels: MODEL,
    models: now(({ state }) => (state === 'READY' ? 1 : 0)),
  },
  modicum_model_share: {
    type: 'gauge',
    help: 'Share of the requests without a version that this one gets.',
    labels: MODEL,
    models: now(({ share }) => share),
  },
  modicum_goal_seconds: {
    type: 'gauge',
    help: 'Deadline of requests that name none.',
    labels: MODEL,
    models: now(({ goalMs }) => goalMs / 1000),
  },
  modicum_worker_restarts_total: {
    type: 'counter',
    help: 'Compute workers that died and were started again.',
    labels: ['model'],
    told: true,
  },
  modicum_reloads_total: {
    type: 'counter',
    help: 'Loads of a model after the start, by outcome (ok, failed).',
    labels: ['model', 'outcome'],
    told: true,
  },
  modicum_events_total: {
    type: 'counter',
    help: 'Events for operators, by kind; the log has their facts.',
    labels: ['kind'],
    told: true,
  },
  modicum_key_requests_total: {
    type: 'counter',
    help: 'Requests by the name of the API key.',
    labels: ['key'],
    keys: ({ requests }) => requests,
  },
  modicum_key_rejected_total: {
    type: 'counter',
    help: 'Requests of the key that got no answer.',
    labels: ['key'],
    keys: ({ refused }) => refused,
  },
  modicum_key_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of computing for the key.',
    labels: ['key'],
    keys: ({ cpuSeconds }) => cpuSeconds,
  },
  modicum_key_joules_total: {
    type: 'counter',
    help: 'Energy of computing for the key.',
    labels: ['key'],
    keys: ({ joules }) => joules,
  },
  modicum_key_dollars_total: {
    type: 'counter',
    help: 'Price of computing for the key, USD.',
    labels: ['key'],
    keys: ({ dollars }) => dollars,
  },
  modicum_ready: {
    type: 'gauge',
    help: '1 where the server takes requests: all models answer, and it is not draining.',
    labels: [],
    told: true,
  },
  modicum_price_dollars_per_hour: {
    type: 'gauge',
    help: 'Price of the whole machine; absent where none is set.',
    labels: [],
    told: true,
  },
  modicum_watts_per_core: {
    type: 'gauge',
    help: 'Power of one busy core, by the method that it is known by; absent where it is not.',
    labels: ['method'],
    told: true,
  },
  modicum_build_info: {
    type: 'gauge',
    help: 'Always 1; the version of the server is a label.',
    labels: ['version'],
    told: true,
  },
  nv_inference_request_success: {
    type: 'counter',
    help: 'As Triton tells it, for dashboards that exist: requests answered.',
    labels: MODEL,
    models: count(({ total }) => total.ok),
  },
  nv_inference_request_failure: {
    type: 'counter',
    help: 'As Triton tells it: requests without an answer.',
    labels: [...MODEL, 'reason'],
    models: ({ total }) => [
      [total.refused, { reason: 'REJECTED' }],
      [total.failed, { reason: 'BACKEND' }],
    ],
  },
  nv_inference_count: {
    type: 'counter',
    help: 'As Triton tells it: samples of answered requests.',
    labels: MODEL,
    models: count(({ total }) => total.samples),
  },
  nv_inference_exec_count: {
    type: 'counter',
    help: 'As Triton tells it: batches.',
    labels: MODEL,
    models: count(({ total }) => total.batches),
  },
  nv_inference_request_duration_us: {
    type: 'counter',
    help: 'As Triton tells it: sum of the times of answered requests, microseconds.',
    labels: MODEL,
    models: count(({ total }) => Math.round(total.totalMs * 1000)),
  },
  nv_inference_queue_duration_us: {
    type: 'counter',
    help: 'As Triton tells it: sum of the times in the queue, microseconds.',
    labels: MODEL,
    models: count(({ total }) => Math.round(total.queueMs * 1000)),
  },
  nv_inference_compute_infer_duration_us: {
    type: 'counter',
    help: 'As Triton tells it: sum of the times of batches, microseconds.',
    labels: MODEL,
    models: count(({ total }) => Math.round(total.computeMs * 1000)),
  },
  nv_inference_pending_request_count: {
    type: 'gauge',
    help: 'As Triton tells it: requests that wait.',
    labels: MODEL,
    models: now(({ queued }) => queued),
  },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;
