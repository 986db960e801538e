import { type Progress, SILENT } from '../base/index.ts';
import type { Dataset, Split } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import {
  type Comparison,
  compareEvaluations,
  comparePaired,
  type Drop,
  type Evaluation,
  evaluate,
  type Measurement,
  type Metric,
  type MetricOptions,
  metricByName,
} from '../measure/index.ts';
import { openSession, type Port, type Session } from '../run/index.ts';
import { type Entrant, openEntrant, openRunnable, type Runnable } from './contestant.ts';
import type { FeedStore } from './feed-store.ts';
import type { Goal } from './goal.ts';
import type { Journal } from './journal/journal.ts';
import { remembered } from './remembered.ts';
import { defaultRunSettings, type RunSettings, sessionSettings } from './settings.ts';
import type { Ratio, Timing } from './variant.ts';

export interface JudgeOptions {
  /** The model as given: a path where it has one, so that it is opened just as its user opens it. */
  readonly original: Model | string;
  readonly goal: Goal;
  readonly metricOptions?: MetricOptions;
  readonly split: Split;
  readonly feeds: FeedStore;
  /** What is measured is recorded here, and not measured again. */
  readonly journal: Journal;
  readonly cores: number;
  readonly seed: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** The parts of the data that variants are judged on; `first` are a few samples of the search part, for a first look. */
export type Part = 'first' | 'search' | 'heldOut';

/** Samples of a first look. */
export const FIRST_SAMPLES = 256;

/** How long a race is. */
export interface RaceLength {
  readonly seconds: number;
  /** Settings for a single sample, timed as well; without them the latency of one call stays unknown unless `settings` are for one. */
  readonly single?: RunSettings;
  /** Rounds at least. Default 6. */
  readonly rounds?: number;
}

const UNKNOWN: Ratio = { value: Number.NaN, low: Number.NaN, high: Number.NaN };

function ratioOf({ value, interval }: Measurement): Ratio {
  return { value, low: interval?.low ?? Number.NaN, high: interval?.high ?? Number.NaN };
}

interface Race {
  readonly given: Comparison;
  readonly ours: Comparison;
  readonly givenP99: number;
  readonly p99: number;
  readonly records: readonly Measurement[];
}

/**
 * Seconds of a turn. Several instances take some milliseconds to be all at work, and idle threads of the other contestant
 * spin for as long: in turns of 30 ms that hides a third of what two instances give, in these it does not.
 */
const SLICE = 0.12;

/** Samples per run while accuracy is measured, where the model allows it. */
const EVALUATION_BATCH = 32;
/** Samples that tell how far outputs lie apart. */
const NOISE_SAMPLES = 64;

/**
 * Holds every variant against the model as given: accuracy on the same samples, speed in turns within one run. The
 * model as given runs as a user runs it: the runtime's defaults, one sample a call.
 */
export class Judge {
  readonly metric: Metric;
  /** Everything that was measured, for the records. */
  readonly records: Measurement[] = [];
  readonly #o: JudgeOptions;
  readonly #baseline = new Map<Part, Promise<Evaluation>>();
  /** Steps whose records are there already. */
  readonly #recorded = new Set<string>();
  #reference: Promise<Session> | undefined;

  constructor(options: JudgeOptions) {
    this.#o = options;
    this.metric = metricByName(options.goal.metric, options.metricOptions);
  }

  /** The model as given on one part. */
  baseline(part: Part): Promise<Evaluation> {
    let found = this.#baseline.get(part);
    if (found === undefined) {
      found = this.#evaluate(this.#o.original, part, 'as given');
      this.#baseline.set(part, found);
    }
    return found;
  }

  /**
   * A variant on one part, and what it loses there; the upper end of the interval holds with the goal's confidence. The
   * provider and the graph level are those of `settings`: other kernels may round otherwise.
   */
  async evaluate(
    runnable: Runnable,
    part: Part,
    name: string,
    settings?: RunSettings,
  ): Promise<{ evaluation: Evaluation; drop: Drop }> {
    const { goal, seed, signal } = this.#o;
    const baseline = await this.baseline(part);
    const evaluation = await this.#evaluate(runnable, part, name, settings);
    const drop = compareEvaluations(baseline, evaluation, this.metric, {
      level: goal.confidence,
      oneSided: true,
      seed,
      signal,
    });
    return { evaluation, drop };
  }

  /**
   * How far the outputs of a variant lie from those of the model as given: noise over signal, 0 is the same. Finer than
   * any share of right answers, where samples are few.
   */
  noise(model: Model, name: string): Promise<number> {
    return this.#o.journal.step(`noise of ${name}`, () => this.#noise(model));
  }

  async #noise(model: Model): Promise<number> {
    const { split, signal, cores, seed } = this.#o;
    const session = await openSession(model, sessionSettings(defaultRunSettings(cores)));
    try {
      const reference = await this.#referenceSession();
      const { size } = split.search;
      const count = Math.min(NOISE_SAMPLES, size);
      // Spread over the part, which may lie in the order of the classes.
      const indices = Array.from({ length: count }, (_, i) => Math.floor((i * size) / count));
      const { value } = await evaluate(session, split.search, metricByName('sqnr'), {
        reference,
        indices,
        seed,
        signal,
      });
      return 10 ** (-value / 20);
    } finally {
      await session.dispose();
    }
  }

  /** The samples of a part: all of them, but for a first look at a large search part. */
  #samplesOf(part: Part): { dataset: Dataset; indices?: number[] } {
    const { split } = this.#o;
    if (part !== 'first') return { dataset: split[part] };
    const { size } = split.search;
    if (size <= 2 * FIRST_SAMPLES) return { dataset: split.search };
    // Spread over the part, which may lie in the order of the classes.
    const indices = Array.from({ length: FIRST_SAMPLES }, (_, i) => Math.floor((i * size) / FIRST_SAMPLES));
    return { dataset: split.search, indices };
  }

  /** Whether a first look sees as much as the search part holds. */
  get firstIsAll(): boolean {
    return this.#samplesOf('first').indices === undefined;
  }

  async #evaluate(runnable: Runnable, part: Part, name: string, settings?: RunSettings): Promise<Evaluation> {
    const { provider, level } = settings ?? defaultRunSettings(this.#o.cores);
    const seen = part === 'first' && this.firstIsAll ? 'search' : part;
    const step = `${seen} accuracy of ${name} on ${provider}, ${level}`;
    const evaluation = await this.#o.journal.step(step, () => this.#measure(runnable, seen, provider, level));
    if (this.#recorded.has(step)) return evaluation;
    this.#recorded.add(step);
    const { record } = evaluation;
    this.records.push({ ...record, settings: { ...record.settings, variant: name, part: seen } });
    return evaluation;
  }

  async #measure(
    runnable: Runnable,
    part: Part,
    provider: RunSettings['provider'],
    level: RunSettings['level'],
  ): Promise<Evaluation> {
    const { seed, progress, signal, cores } = this.#o;
    const { dataset, indices } = this.#samplesOf(part);
    const plain = defaultRunSettings(cores);
    const reference = this.metric.needs.reference ? await this.#referenceSession() : undefined;
    const own = runnable === this.#o.original && reference !== undefined;
    const session = own ? reference : await openRunnable(runnable, { ...plain, provider, level });
    try {
      return await evaluate(session, dataset, this.metric, {
        reference,
        indices,
        batch: EVALUATION_BATCH,
        seed,
        progress: progress ?? SILENT,
        signal,
      });
    } finally {
      if (!own) await session.dispose();
    }
  }

  #referenceSession(): Promise<Session> {
    this.#reference ??= openSession(
      this.#o.original,
      sessionSettings(defaultRunSettings(this.#o.cores)),
    ).then(remembered);
    return this.#reference;
  }

  /** Speed of a variant against the model as given: at its settings, and for a single sample where that is asked for. */
  async race(runnable: Runnable, name: string, settings: RunSettings, length: RaceLength): Promise<Timing> {
    const { single, seconds, rounds } = length;
    const alike =
      (settings.batch === 1 && settings.instances === 1 && single === undefined) ||
      JSON.stringify(settings) === JSON.stringify(single);
    const step = `race of ${name} at ${JSON.stringify(settings)} for ${seconds} s${single === undefined ? '' : ` and at ${JSON.stringify(single)}`}`;
    const { timing, records } = await this.#o.journal.step(step, async () => {
      const parted = alike || single === undefined ? seconds : seconds / 2;
      const many = await this.#race(runnable, name, settings, parted, rounds);
      const one = alike ? many : single && (await this.#race(runnable, name, single, parted, rounds));
      const timing: Timing = {
        given: {
          throughput: many.given.throughput.value,
          latency: one?.given.latency.value ?? Number.NaN,
          cpuPerSample: many.given.cpu.value,
          p99: many.givenP99,
        },
        throughput: ratioOf(many.ours.throughputRatio),
        cpu: ratioOf(many.ours.cpuRatio),
        latency: one === undefined ? UNKNOWN : ratioOf(one.ours.latencyRatio),
        p99: many.p99,
      };
      return { timing, records: [...many.records, ...(one === undefined || alike ? [] : one.records)] };
    });
    if (!this.#recorded.has(step)) this.records.push(...records);
    this.#recorded.add(step);
    return timing;
  }

  async #race(
    runnable: Runnable,
    name: string,
    settings: RunSettings,
    seconds: number,
    rounds?: number,
  ): Promise<Race> {
    const { original, cores, seed, signal, feeds } = this.#o;
    const plain = defaultRunSettings(cores);
    const pair: Entrant[] = [];
    try {
      pair.push(await openEntrant(original, 'as given', plain, feeds, seed));
      pair.push(await openEntrant(runnable, name, settings, feeds, seed));
      const compared = await comparePaired(pair, {
        seconds,
        slice: SLICE,
        minRounds: rounds,
        warmUpAtMost: 0.25,
        seed,
        signal,
        settings: [{ ...plain }, { ...settings }],
      });
      const tail = async ({ session, feeds: batches }: Entrant) => {
        const { latencies } = await session.loop(batches, { seconds: Math.min(0.5, seconds / 8), signal });
        const sorted = latencies.slice().sort();
        return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? Number.NaN;
      };
      const [first, second] = compared.contestants as [Comparison, Comparison];
      return {
        given: first,
        ours: second,
        givenP99: await tail(pair[0]!),
        p99: await tail(pair[1]!),
        records: compared.records,
      };
    } finally {
      await Promise.all(pair.map((entrant) => entrant.dispose()));
    }
  }

  /** The inputs and outputs of a model. */
  async portsOf(model: Model | string): Promise<{ inputs: readonly Port[]; outputs: readonly Port[] }> {
    const session = await openSession(model, sessionSettings(defaultRunSettings(1)));
    const { inputs, outputs } = session;
    await session.dispose();
    return { inputs, outputs };
  }

  async dispose(): Promise<void> {
    await (await this.#reference)?.dispose();
  }
}
