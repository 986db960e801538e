import { fail } from '../base/index.ts';
import { type Interval, pairedProportionInterval } from '../measure/index.ts';
import type { Feeds, Fetches } from '../run/index.ts';
import { judge, type ScoreReading } from '../staged/index.ts';
import { type Share, share } from './report.ts';
import { Run, StreamDecider, type StreamDecision, type StreamRule } from './stream-decider.ts';
import type { StreamScores } from './stream-scores.ts';
import { type Certificate, certify, type ExitTable, outcomeOf, thresholdPath } from './thresholds.ts';

/** Recorded streams, and what they are. */
export interface Streams {
  readonly scores: StreamScores;
  /** [samples]: the right class; without it right is what the last step says. */
  readonly truth?: ArrayLike<number>;
}

export interface StreamExitOptions {
  /** Streams to choose by. */
  readonly tuning: Streams;
  /** Streams that nothing was chosen by: the promise is tested on them, once. */
  readonly certification: Streams;
  /** Streams to report on. */
  readonly test: Streams;
  readonly reading: ScoreReading;
  /** Points by which the accuracy may fall against deciding at the end. Default 1. */
  readonly maxDrop?: number;
  /** Default 0.95. */
  readonly confidence?: number;
  /** How many steps in a row must agree: the best of these is chosen. Default 1, 2 and 3. */
  readonly consecutive?: readonly number[];
  /** Default 1. */
  readonly least?: number;
}

export interface StreamReport {
  readonly rule: StreamRule;
  readonly certificate: Certificate;
  readonly steps: number;
  readonly test: {
    readonly n: number;
    readonly atEnd: Share;
    readonly early: Share;
    /** Accuracy at the end less that of the early decisions. */
    readonly drop: { readonly value: number; readonly interval: Interval };
    /** Mean steps that are heard. */
    readonly meanSteps: number;
    /** Share of the steps that need not be heard or computed. */
    readonly saved: number;
    /** Share of the streams decided at each step; of the last: those that went to the end. */
    readonly decided: readonly number[];
  };
}

/**
 * Chooses when streams are decided early: thresholds for every step and the number of steps that must agree, so that the accuracy falls
 * by more than `maxDrop` points against deciding at the end with a chance of 1 - confidence at most (Learn-then-Test, as for exits).
 * Where that cannot be certified every stream is heard to its end, and the report says so. Throws USAGE_BAD_OPTION.
 */
export function certifyStream(options: StreamExitOptions): StreamReport {
  const { tuning, certification, test, reading, maxDrop = 1, confidence = 0.95, least = 1 } = options;
  const tried = (options.consecutive ?? [1, 2, 3]).map((consecutive) => {
    const shape = { consecutive, least };
    const table = streamTable(tuning, reading, shape);
    const path = thresholdPath(table);
    // The cheapest that loses no more than may be lost, on the tuning part.
    const held = path.map((thresholds) => outcomeOf(table, thresholds));
    const within = held.filter(({ lost, gained, n }) => lost - gained <= (maxDrop / 100) * n);
    return { shape, path, steps: Math.min(table.macs.at(-1)!, ...within.map(({ macs }) => macs)) };
  });
  const best = tried.reduce((one, other) => (other.steps < one.steps ? other : one));
  const certificate = certify(best.path, streamTable(certification, reading, best.shape), {
    maxDrop: maxDrop / 100,
    confidence,
  });
  const { thresholds } = certificate;
  const table = streamTable(test, reading, best.shape);
  const { n, lost, gained, macs, leaving, right } = outcomeOf(table, thresholds);
  const steps = test.scores.steps;
  const rightAtEnd = table.whole.reduce((sum, one) => sum + one, 0);
  return {
    rule: { ...reading, ...best.shape, thresholds: [...thresholds, Number.POSITIVE_INFINITY] },
    certificate,
    steps,
    test: {
      n,
      atEnd: share(rightAtEnd, n),
      early: share(
        right.reduce((sum, one) => sum + one, 0),
        n,
      ),
      drop: {
        value: (lost - gained) / n,
        interval: pairedProportionInterval({ onlyFirst: lost, onlySecond: gained, n }),
      },
      meanSteps: macs,
      saved: 1 - macs / steps,
      decided: leaving.map((count) => count / n),
    },
  };
}

/**
 * What early decisions would do: the steps are the exits, and their cost is the number of steps. The last step decides whatever it
 * says. Throws USAGE_BAD_OPTION for streams of one step.
 */
export function streamTable(
  { scores, truth }: Streams,
  reading: ScoreReading,
  { consecutive, least }: Pick<StreamRule, 'consecutive' | 'least'>,
): ExitTable {
  const { samples, steps, classes } = scores;
  if (steps < 2) throw fail('USAGE_BAD_OPTION', 'a stream of one step cannot be decided early');
  const judged = scores.scores.map((row) => judge(row, classes, reading));
  const last = judged.at(-1)!.best;
  const right = (best: Int32Array) =>
    Uint8Array.from(best, (found, i) => (found === (truth === undefined ? last[i] : truth[i]) ? 1 : 0));
  const runs = Array.from({ length: samples }, () => new Run(consecutive));
  const confidence = judged.slice(0, -1).map(({ confidence: own, best }, step) =>
    Float64Array.from(own, (value, i) => {
      const sure = runs[i]!.push(best[i]!, value);
      return step + 1 < least ? Number.NaN : sure;
    }),
  );
  return {
    samples,
    macs: Array.from({ length: steps }, (_, step) => step + 1),
    confidence,
    right: judged.map(({ best }) => right(best)),
    whole: right(last),
  };
}

/** What answers the chunks of a stream: a session that keeps its state, or a function over one of windows. */
export type StreamStep = (chunk: Feeds) => Promise<Fetches>;

/**
 * Hears chunks until the rule is sure or they end; the rest is neither awaited nor computed. Throws USAGE_BAD_OPTION for a stream
 * without chunks, and what `step` throws.
 */
export async function decideStream(
  chunks: AsyncIterable<Feeds> | Iterable<Feeds>,
  step: StreamStep,
  rule: StreamRule,
  output: string,
): Promise<StreamDecision> {
  const decider = new StreamDecider(rule);
  for await (const chunk of chunks) {
    const scores = (await step(chunk))[output];
    if (scores === undefined) throw fail('USAGE_BAD_OPTION', `there is no output ${output}`);
    const decision = decider.push(scores.as('float32'));
    if (decision !== undefined) return decision;
  }
  return decider.end();
}
