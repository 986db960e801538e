import { VERSION } from '../../base/index.ts';
import { type GridIntensity, gridOf } from '../../measure/index.ts';
import { availableCores, describeMachine } from '../../run/index.ts';
import type { Happened, Meter, Models, Observer } from '../ports.ts';
import { type Books, liveSecond, seriesDocument, windowOf } from './document.ts';
import { Events } from './events.ts';
import { meterHeaders } from './headers.ts';
import { Ledger } from './ledger.ts';
import { Live } from './live.ts';
import { type LogOptions, Logs } from './logs.ts';
import { Metrics } from './metrics.ts';
import type { Traces } from './otel.ts';
import type { SeriesDocument, ServerFacts } from './series.ts';
import { openTariff, type Tariff, type TariffOptions } from './tariff.ts';
import { openTraces } from './traces.ts';

export interface ObserveOptions extends Partial<TariffOptions> {
  /** Region of the grid, for grams of CO2. Throws PRICE_UNKNOWN where it is not listed. */
  readonly region?: string;
  readonly log?: LogOptions;
  /** Engines compute in processes of their own, whose CPU time is not in this one's. Default true. */
  readonly apart?: boolean;
  /** ms since 1970. */
  readonly clock?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Opens what watches the server. Throws PRICE_UNKNOWN. */
export async function openObservation(options: ObserveOptions = {}): Promise<Observation> {
  const grid = options.region === undefined ? undefined : gridOf(options.region);
  const cores = options.cores ?? availableCores();
  const tariff = await openTariff({ ...options, cores, cpu: options.cpu ?? describeMachine().cpu });
  const traces = await openTraces(options.env);
  const { log, apart = true, clock = Date.now } = options;
  return new Observation({ tariff, traces, grid, cores, log, apart, clock });
}

interface Parts {
  readonly tariff: Tariff;
  readonly traces: Traces | undefined;
  readonly grid: GridIntensity | undefined;
  readonly cores: number;
  readonly log: LogOptions | undefined;
  readonly apart: boolean;
  readonly clock: () => number;
}

/** The observer of a server: what happens goes into the ledger, the log, the metrics, the traces and the stream. */
export class Observation implements Observer {
  readonly logs: Logs;
  readonly metrics: Metrics;
  readonly live = new Live();
  readonly #parts: Parts;
  readonly #ledger: Ledger;
  readonly #events = new Events();
  readonly #books: Books;
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #models: Models | undefined;
  #ticked: number;
  #busy = 0;
  #cpu = { at: performance.now(), own: ownCpu(), computed: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
    const second = () => Math.floor(parts.clock() / 1000);
    this.#startedAt = second();
    this.#ticked = this.#startedAt;
    this.logs = new Logs(parts.log, second);
    this.#ledger = new Ledger(parts.tariff, second);
    this.metrics = new Metrics(this.#ledger, parts.tariff, () => this.#ready());
    const known = { joules: parts.tariff.method !== 'unknown', dollars: parts.tariff.perHour !== undefined };
    this.#books = { ledger: this.#ledger, events: this.#events, known, facts: () => this.#facts() };
    // Four looks a second: a queue that fills and empties within one shows.
    this.#timer = setInterval(() => this.tick(), 250);
    this.#timer.unref();
    if (parts.traces?.warning) this.event('traces-warning', { warning: parts.traces.warning });
  }

  /** Whose state is looked at, from now on. */
  watch(models: Models): void {
    this.#models = models;
    this.#ledger.watch(models);
    this.#ledger.look();
  }

  request(happened: Happened): void {
    const account = this.#ledger.request(happened);
    this.metrics.request(account, happened);
    this.logs.request(happened);
    this.#parts.traces?.request(happened);
  }

  batch(done: Parameters<Observer['batch']>[0]): void {
    this.#cpu.computed += done.cpuSeconds;
    this.metrics.batch(this.#ledger.batch(done), done);
  }

  event(kind: string, facts: Readonly<Record<string, unknown>>): void {
    const event = this.#events.add(this.#parts.clock() / 1000, kind, facts);
    this.logs.event(kind, event.facts);
    this.metrics.event(kind);
    const model = String(facts.model ?? '');
    if (kind === 'worker-died') this.metrics.restarted(model);
    if (kind === 'model-loaded' && this.#models?.names().includes(model)) this.metrics.reloaded(model, 'ok');
    if (kind === 'model-load-failed') this.metrics.reloaded(model, 'failed');
  }

  headers(_model: string, meter: Meter): Record<string, string> {
    return meterHeaders(meter, this.#parts.tariff);
  }

  /** The document of GET /v2/modicum/series. */
  series(query: { step?: unknown; seconds?: unknown } = {}): SeriesDocument {
    this.#ledger.look();
    return seriesDocument(this.#books, windowOf(query), this.#second());
  }

  /** Looks at the models, and once a second tells those who listen. The timer does it; a test may. */
  tick(): void {
    this.#ledger.look();
    const now = this.#second();
    if (now === this.#ticked) return;
    this.#ticked = now;
    this.#measureBusy();
    if (this.live.size > 0) this.live.send('second', liveSecond(this.#books, now));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.live.close();
    this.#parts.tariff.close();
    await this.#parts.traces?.close();
    await this.logs.close();
  }

  #second(): number {
    return Math.floor(this.#parts.clock() / 1000);
  }

  #ready(): boolean {
    return this.#models?.ready() ?? false;
  }

  #measureBusy(): void {
    const at = performance.now();
    const own = ownCpu();
    const seconds = (at - this.#cpu.at) / 1000;
    if (seconds < 0.2) return;
    const spent = own - this.#cpu.own + (this.#parts.apart ? this.#cpu.computed : 0);
    this.#busy = Math.min(1, spent / seconds / this.#parts.cores);
    this.#cpu = { at, own, computed: 0 };
  }

  #facts(): ServerFacts {
    const { tariff, grid, cores } = this.#parts;
    const watts = tariff.watts();
    return {
      version: VERSION,
      startedAt: this.#startedAt,
      now: this.#second(),
      ready: this.#ready(),
      cores,
      busy: Math.round(this.#busy * 1000) / 1000,
      memory: process.memoryUsage.rss(),
      energy: {
        method: tariff.method,
        origin: tariff.origin,
        ...(watts !== undefined && { wattsPerCore: watts }),
      },
      ...(tariff.perHour !== undefined && {
        money: { perHour: tariff.perHour, origin: tariff.priceOrigin ?? 'a price given' },
      }),
      ...(grid !== undefined && { grid: { region: grid.region, gramsPerKwh: grid.gramsPerKwh } }),
    };
  }
}

function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
