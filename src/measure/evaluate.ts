import { fail, type Progress, SILENT } from '../base/index.ts';
import { type Batch, bind, type Dataset, planBatch } from '../data/index.ts';
import type { Tensor } from '../graph/index.ts';
import type { Feeds, Fetches, Session } from '../run/index.ts';
import { thisMachine } from './machine.ts';
import type { Metric } from './metrics/metric.ts';
import { elementsOf } from './metrics/values.ts';
import type { Interval, Measurement } from './record.ts';
import {
  bootstrapInterval,
  pairedBootstrap,
  pairedProportionInterval,
  wilsonInterval,
} from './statistics/index.ts';

export interface EvaluateOptions {
  /** The model it is compared with, for fidelity metrics. */
  readonly reference?: Session;
  /** Samples per run, where the model allows it. Default 32. */
  readonly batch?: number;
  /** Only these samples, ascending. Default: all. */
  readonly indices?: readonly number[] | Uint32Array;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
  /** Of the bootstrap. Default 0. */
  readonly seed?: number;
  /** Confidence level of the interval. Default 0.95. */
  readonly level?: number;
  /** Id of the machine. Default: this one. */
  readonly machine?: string;
  /** Lets float32 data feed float16 inputs. Default true: a model of 16 bits is meant to be fed so. */
  readonly narrow?: boolean;
}

/** How good a model is on some samples. */
export interface Evaluation {
  /** In the unit of the metric. */
  readonly value: number;
  readonly interval: Interval;
  /** What the metric keeps of each sample: n * metric.width numbers. */
  readonly rows: Float64Array;
  /** Samples. */
  readonly n: number;
  /** Samples with NaN or infinity in some output. */
  readonly nonFinite: number;
  readonly record: Measurement;
}

/** Batches under way at once: enough to keep the instances of a session busy, few enough for the memory. */
const IN_FLIGHT = 4;

/**
 * Runs a model over a dataset and reads the metric off its outputs. Several batches are under way at once; the rows stand
 * in the order of the samples whatever finishes first. Samples that fill no batch of a model of a fixed batch are left out
 * (see planBatch). Throws DATA_*, METRIC_UNFIT, DATA_NO_LABELS, and what the session throws.
 */
export async function evaluate(
  session: Session,
  dataset: Dataset,
  metric: Metric,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { reference, batch, indices, signal, progress = SILENT, narrow = true } = options;
  if (metric.needs.labels && dataset.labels === undefined) {
    throw fail('DATA_NO_LABELS', `${metric.name} compares outputs with labels, and ${dataset.name} has none`);
  }
  if (metric.needs.reference && reference === undefined) {
    const hint = 'Give the model to compare with: --against MODEL.';
    throw fail('METRIC_UNFIT', `${metric.name} compares with another model and none is given`, { hint });
  }
  // A reference of a fixed batch sets it for both: they answer the same batches.
  const theirs = reference && planBatch(dataset, reference.inputs, batch, { narrow });
  const size = theirs?.fixed ? theirs.batch : batch;
  const batches = bind(dataset, session.inputs, { batch: size, indices, signal, narrow });
  const stage = progress.stage(`Evaluating ${metric.name}`, indices?.length ?? dataset.size);
  const rows: number[] = [];
  let nonFinite = 0;
  const take = async (answered: Promise<Answer>) => {
    const { batch: bound, outputs, theirs } = await answered;
    const samples = bound.indices.length;
    metric.rows({ outputs, labels: bound.labels, reference: theirs, samples }, rows);
    nonFinite += countNonFinite(outputs, samples);
    stage.advance(samples);
    return samples;
  };
  const waiting: Promise<Answer>[] = [];
  let n = 0;
  try {
    for await (const bound of batches) {
      waiting.push(answer(session, reference, bound, signal));
      if (waiting.length >= IN_FLIGHT) n += await take(waiting.shift()!);
    }
    while (waiting.length > 0) n += await take(waiting.shift()!);
  } finally {
    // After a failure the others must not go on unobserved.
    await Promise.allSettled(waiting);
    stage.end();
  }
  if (n === 0) throw fail('DATA_EMPTY', `${dataset.name} gives no sample to evaluate`);
  const kept = Float64Array.from(rows);
  const value = metric.aggregate(kept);
  const interval = intervalOf(metric, kept, n, value, options);
  const bad =
    nonFinite > 0 ? ` ${nonFinite} of them have NaN or infinity in an output, which counts as wrong.` : '';
  const record: Measurement = {
    what: `${metric.needs.reference ? 'fidelity' : 'accuracy'}.${metric.name}`,
    value,
    unit: metric.unit,
    interval,
    how: 'measured',
    method: `${metric.summary}, over ${n} samples of ${dataset.name}.${bad}`,
    n,
    settings: { metric: metric.name, dataset: dataset.name, nonFinite },
    machine: options.machine ?? (await thisMachine()),
    at: new Date().toISOString(),
  };
  return { value, interval, rows: kept, n, nonFinite, record };
}

interface Answer {
  readonly batch: Batch;
  readonly outputs: Fetches;
  readonly theirs?: Fetches;
}

function answer(
  session: Session,
  reference: Session | undefined,
  batch: Batch,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const both = async () => {
    const [outputs, theirs] = await Promise.all([
      session.run(batch.feeds, { signal }),
      reference?.run(renamed(batch.feeds, session, reference), { signal }),
    ]);
    return { batch, outputs, theirs };
  };
  const answered = both();
  // It is awaited in its turn; until then a failure is no unhandled one.
  answered.catch(() => {});
  return answered;
}

/** The feeds under the names of the reference's inputs: the same names, or by place where there are as many. */
function renamed(feeds: Feeds, session: Session, reference: Session): Feeds {
  if (reference.inputs.every(({ name }) => feeds[name] !== undefined)) {
    return Object.fromEntries(reference.inputs.map(({ name }) => [name, feeds[name]!]));
  }
  if (reference.inputs.length !== session.inputs.length) {
    const names = reference.inputs.map(({ name }) => name).join(', ');
    throw fail('METRIC_UNFIT', `the reference model has other inputs (${names})`, {
      hint: 'Compare models of the same inputs.',
    });
  }
  return Object.fromEntries(reference.inputs.map(({ name }, i) => [name, feeds[session.inputs[i]!.name]!]));
}

/** Samples with a value that is not finite in a float output. */
function countNonFinite(outputs: Fetches, samples: number): number {
  const bad = new Set<number>();
  for (const [name, tensor] of Object.entries(outputs) as [string, Tensor][]) {
    if (!['float32', 'float64', 'float16', 'bfloat16'].includes(tensor.dtype)) continue;
    const width = Math.max(1, tensor.size / samples);
    const values = elementsOf(tensor, name);
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) bad.add(Math.floor(i / width));
  }
  return bad.size;
}

function intervalOf(
  metric: Metric,
  rows: Float64Array,
  n: number,
  value: number,
  { seed = 0, level = 0.95, signal }: EvaluateOptions,
): Interval {
  if (metric.proportion) {
    const wilson = wilsonInterval(Math.round((value / 100) * n), n, { level });
    return { ...wilson, low: 100 * wilson.low, high: 100 * wilson.high };
  }
  const interval = bootstrapInterval(n, (chosen) => metric.aggregate(rows, chosen), { seed, level, signal });
  if (!(interval.high - interval.low > 0) || n < 10) {
    return {
      ...interval,
      method: `${interval.method}; too narrow: ${n < 10 ? `${n} samples` : 'all samples alike'}`,
    };
  }
  return interval;
}

export interface CompareEvaluationsOptions {
  /** Default 0.95. */
  readonly level?: number;
  /** True: each bound alone holds at the level; a gate reads `interval.high`. Default false. */
  readonly oneSided?: boolean;
  /** Of the bootstrap. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** How much worse a candidate is than its baseline on the same samples. */
export interface Drop {
  /** Positive: the candidate is worse. In the unit of the metric (points for shares). */
  readonly value: number;
  readonly interval: Interval;
  readonly n: number;
  /** Samples that the two answer differently. */
  readonly differing: number;
}

/** Below so many differing samples a bootstrap knows too little of the rest, and its interval is widened. */
const FEW = 10;

/**
 * The paired difference of two evaluations of the same metric object's kind on the same samples. Shares of yes-or-no samples
 * get Tango's score interval; everything else a paired bootstrap, widened where fewer than ten samples differ: what was not
 * seen among n samples may still be there (the upper Wilson bound of the differing share), at the worst effect that one
 * sample was seen to have (the whole range for a share). Throws METRIC_UNFIT where the two do not pair.
 */
export function compareEvaluations(
  baseline: Evaluation,
  candidate: Evaluation,
  metric: Metric,
  options: CompareEvaluationsOptions = {},
): Drop {
  const { n, rows: ours } = baseline;
  const theirs = candidate.rows;
  const width = metric.width;
  if (candidate.n !== n || ours.length !== theirs.length || ours.length !== n * width) {
    throw fail('METRIC_UNFIT', `evaluations of ${n} and ${candidate.n} samples do not pair`, {
      hint: 'Evaluate both models with the same metric on the same samples.',
    });
  }
  const sign = metric.higherIsBetter ? 1 : -1;
  const difference = (better: number, worse: number) => (better === worse ? 0 : sign * (better - worse));
  const value = difference(baseline.value, candidate.value);
  const differs = (i: number) => {
    for (let at = i * width; at < (i + 1) * width; at++) if (!Object.is(ours[at], theirs[at])) return true;
    return false;
  };
  const changed: number[] = [];
  for (let i = 0; i < n; i++) if (differs(i)) changed.push(i);
  const differing = changed.length;
  if (metric.proportion) {
    let [onlyFirst, onlySecond] = [0, 0];
    for (const i of changed) {
      if (ours[i]! > theirs[i]!) onlyFirst++;
      else onlySecond++;
    }
    const tango = pairedProportionInterval(
      metric.higherIsBetter
        ? { onlyFirst, onlySecond, n }
        : { onlyFirst: onlySecond, onlySecond: onlyFirst, n },
      options,
    );
    return { value, n, differing, interval: { ...tango, low: 100 * tango.low, high: 100 * tango.high } };
  }
  const aggregate = (rows: Float64Array) => (chosen: Uint32Array) => sign * metric.aggregate(rows, chosen);
  const interval = pairedBootstrap(n, aggregate(ours), aggregate(theirs), { seed: 0, ...options });
  if (differing >= FEW) return { value, n, differing, interval: outward(interval, value) };
  const scale = metric.unit === '%' ? 100 : worstEffect(baseline, candidate, metric);
  const unseen = wilsonInterval(differing, n, options).high - differing / n;
  const allowance = unseen * scale;
  const wide = outward(interval, value);
  return {
    value,
    n,
    differing,
    interval: {
      ...wide,
      low: wide.low - allowance,
      high: wide.high + allowance,
      method: `${wide.method}, widened: only ${differing} of ${n} samples differ`,
    },
  };
}

/** An interval that holds its estimate; unknown bounds become infinite ones. */
function outward(interval: Interval, value: number): Interval {
  const low = Number.isNaN(interval.low) ? Number.NEGATIVE_INFINITY : interval.low;
  const high = Number.isNaN(interval.high) ? Number.POSITIVE_INFINITY : interval.high;
  return { ...interval, low: Math.min(low, value), high: Math.max(high, value) };
}

/** The largest distance of any sample's own figure from another's, in either evaluation: what one sample can do. */
function worstEffect(baseline: Evaluation, candidate: Evaluation, metric: Metric): number {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const one = new Uint32Array(1);
  for (const { rows, n } of [baseline, candidate]) {
    for (one[0] = 0; one[0] < n; one[0]++) {
      const own = metric.aggregate(rows, one);
      if (Number.isNaN(own)) continue;
      low = Math.min(low, own);
      high = Math.max(high, own);
    }
  }
  return high > low ? high - low : Math.abs(high);
}
