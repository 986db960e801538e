import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { VERSION } from '../../base/index.ts';
import type { Happened, Observer } from '../ports.ts';
import type { Ledger, ModelAccount } from './ledger.ts';
import { METRICS, type MetricName, type MetricRow } from './metric-list.ts';
import type { Tariff } from './tariff.ts';

/** Kinds of events come from our own code; a bound all the same. */
const MOST_KINDS = 64;

type Told = {
  [Name in MetricName]: (typeof METRICS)[Name] extends { told: true } ? Name : never;
}[MetricName];

/** The ledger in Prometheus' text form. Counters are read from the accounts, so that they agree with the series and the bills. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();
  readonly #kinds = new Set<string>();
  readonly #ledger: Ledger;
  readonly #tariff: Tariff;
  readonly #ready: () => boolean;

  constructor(ledger: Ledger, tariff: Tariff, ready: () => boolean) {
    this.#ledger = ledger;
    this.#tariff = tariff;
    this.#ready = ready;
    for (const [name, row] of Object.entries(METRICS) as [MetricName, MetricRow][]) {
      this.#metrics.set(name, this.#metric(name, row));
    }
    this.#gauge('modicum_build_info').set({ version: VERSION }, 1);
    collectDefaultMetrics({ register: this.#registry });
  }

  /** The text of GET /metrics and its content type. */
  async text(): Promise<{ contentType: string; body: string }> {
    this.#ledger.look();
    this.#tell();
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  request({ name: model, version }: ModelAccount, happened: Happened): void {
    if (happened.status >= 400) return;
    const { protocol, totalMs, meter } = happened;
    this.#histogram('modicum_request_duration_seconds').observe({ model, version, protocol }, totalMs / 1000);
    if (meter !== undefined) {
      this.#histogram('modicum_queue_duration_seconds').observe({ model, version }, meter.queueMs / 1000);
    }
  }

  batch({ name: model, version }: ModelAccount, done: Parameters<Observer['batch']>[0]): void {
    this.#histogram('modicum_compute_duration_seconds').observe({ model, version }, done.computeMs / 1000);
    this.#histogram('modicum_batch_size').observe({ model, version }, done.size);
  }

  event(kind: string): void {
    const name = this.#kinds.has(kind) || this.#kinds.size < MOST_KINDS ? kind : '(others)';
    this.#kinds.add(name);
    this.#counter('modicum_events_total').inc({ kind: name });
  }

  restarted(model: string): void {
    this.#counter('modicum_worker_restarts_total').inc({ model });
  }

  reloaded(model: string, outcome: 'ok' | 'failed'): void {
    this.#counter('modicum_reloads_total').inc({ model, outcome });
  }

  /** What hangs on the tariff or the whole server. */
  #tell(): void {
    this.#gauge('modicum_ready').set(this.#ready() ? 1 : 0);
    const { method, perHour } = this.#tariff;
    const watts = this.#tariff.watts();
    const ofMachine = this.#gauge('modicum_watts_per_core');
    ofMachine.reset();
    // A gauge without labels stands at 0 from the start; an unknown price is not 0.
    const price = this.#gauge('modicum_price_dollars_per_hour');
    if (watts !== undefined) ofMachine.set({ method }, watts);
    if (perHour !== undefined) price.set(perHour);
    else price.remove();
    const joules = this.#counter('modicum_joules_total');
    const dollars = this.#counter('modicum_dollars_total');
    joules.reset();
    dollars.reset();
    for (const { name: model, version, total } of this.#ledger.models.values()) {
      if (watts !== undefined) joules.inc({ model, version, method }, total.joules);
      if (perHour !== undefined) dollars.inc({ model, version }, total.dollars);
    }
  }

  #metric(name: MetricName, row: MetricRow): Counter | Gauge | Histogram {
    const base = { name, help: row.help, labelNames: [...row.labels], registers: [this.#registry] };
    if (row.type === 'histogram') return new Histogram({ ...base, buckets: [...row.buckets] });
    if ('told' in row) return row.type === 'counter' ? new Counter(base) : new Gauge(base);
    const ledger = this.#ledger;
    const read = (put: (labels: Record<string, string>, value: number) => void) => {
      if ('keys' in row) for (const [key, account] of ledger.keys) put({ key }, row.keys(account));
      else for (const account of ledger.models.values()) readModel(row.models, account, put);
    };
    if (row.type === 'gauge') {
      return new Gauge({
        ...base,
        collect() {
          this.reset();
          read((labels, value) => this.set(labels, value));
        },
      });
    }
    return new Counter({
      ...base,
      collect() {
        this.reset();
        read((labels, value) => this.inc(labels, value));
      },
    });
  }

  #histogram(name: Told): Histogram {
    return this.#metrics.get(name) as Histogram;
  }

  #counter(name: Told): Counter {
    return this.#metrics.get(name) as Counter;
  }

  #gauge(name: Told): Gauge {
    return this.#metrics.get(name) as Gauge;
  }
}

function readModel(
  read: (of: ModelAccount) => readonly (readonly [number, Readonly<Record<string, string>>?])[],
  account: ModelAccount,
  put: (labels: Record<string, string>, value: number) => void,
): void {
  const { name: model, version } = account;
  for (const [value, labels] of read(account)) put({ model, version, ...labels }, value);
}
