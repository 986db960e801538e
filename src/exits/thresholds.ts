import { fail } from '../base/index.ts';
import { binomialPValue, fixedSequenceTest, pairedDropPValue, pairedScore } from '../measure/index.ts';

/** What the exits of a staged model would do with the samples of a part, each exit asked about every sample. */
export interface ExitTable {
  readonly samples: number;
  /** Multiply-accumulates of a sample that leaves at each exit, and last of one that goes through all stages. */
  readonly macs: readonly number[];
  /** [exits][samples] */
  readonly confidence: readonly Float64Array[];
  /** [exits + 1][samples]: 1 where the answer there is right; the last is that of the last stage. */
  readonly right: readonly Uint8Array[];
  /** [samples]: 1 where the whole model is right. Without labels right means: as the whole model answers, so that all are 1. */
  readonly whole: Uint8Array;
}

/** The table with other costs in place of multiply-accumulates: seconds, say. */
export function withCosts(table: ExitTable, costs: readonly number[]): ExitTable {
  let sum = 0;
  return {
    ...table,
    macs: costs.map((cost) => {
      sum += cost;
      return sum;
    }),
  };
}

/** What becomes of the samples of a table under thresholds. */
export interface ExitOutcome {
  readonly n: number;
  /** Samples that the whole model answers rightly and the staged one wrongly. */
  readonly lost: number;
  /** The reverse. */
  readonly gained: number;
  /** Mean multiply-accumulates a sample. */
  readonly macs: number;
  /** Samples that leave at each exit, and last those that go to the end. */
  readonly leaving: readonly number[];
  /** Of these, how many are answered rightly. */
  readonly right: readonly number[];
}

/** A threshold per exit; Infinity: nobody leaves there. */
export type Thresholds = readonly number[];

/** Sends the samples of a table through exits with these thresholds. */
export function outcomeOf(table: ExitTable, thresholds: Thresholds): ExitOutcome {
  const exits = table.confidence.length;
  const leaving = new Array<number>(exits + 1).fill(0);
  const right = new Array<number>(exits + 1).fill(0);
  let [lost, gained, macs] = [0, 0, 0];
  for (let i = 0; i < table.samples; i++) {
    let at = 0;
    while (at < exits && !(table.confidence[at]![i]! >= thresholds[at]!)) at++;
    const own = table.right[at]![i]!;
    leaving[at]!++;
    right[at]! += own;
    macs += table.macs[at]!;
    if (own < table.whole[i]!) lost++;
    else if (own > table.whole[i]!) gained++;
  }
  const n = table.samples;
  return { n, lost, gained, macs: n === 0 ? table.macs.at(-1)! : macs / n, leaving, right };
}

/**
 * The path from the step on whose tuning samples speak most against a fall by more than `maxDrop` (a share): the first, as a rule,
 * where nothing is lost yet. Where exits mend more than they lose that is further on, and the steps before it, in which a single
 * lost answer weighs more, would end a test too soon. Any order that the certification samples had no part in may be tested.
 */
export function fromSafest(path: readonly Thresholds[], tuning: ExitTable, maxDrop: number): Thresholds[] {
  let [start, best] = [0, Number.POSITIVE_INFINITY];
  for (const [i, thresholds] of path.entries()) {
    const { n, lost, gained } = outcomeOf(tuning, thresholds);
    const score = pairedScore({ onlyFirst: lost, onlySecond: gained, n }, maxDrop);
    if (score < best) [start, best] = [i, score];
  }
  return path.slice(start);
}

/** Steps in which the threshold of an exit falls: each lets about so large a share of the samples more go. */
const LEVELS = 100;
/** Levels that an exit may take at once while the path is sought. */
const STRIDES = [1, 2, 4, 8];

/**
 * Threshold vectors from "nobody leaves" to "everybody leaves at the first exit", each letting go whom the one before lets go and
 * more: at every step the exit and the stride that save most work for a right answer that is lost. Made on a tuning part; a test on
 * other samples goes along it.
 */
export function thresholdPath(tuning: ExitTable): Thresholds[] {
  const levels = tuning.confidence.map(levelsOf);
  const at = levels.map(() => 0);
  const thresholds = () => at.map((level, exit) => levels[exit]![level]!);
  const path: Thresholds[] = [thresholds()];
  let now = outcomeOf(tuning, path[0]!);
  for (;;) {
    let best: { exit: number; stride: number; worth: number; outcome: ExitOutcome } | undefined;
    for (const exit of at.keys()) {
      for (const stride of STRIDES) {
        if (at[exit]! + stride >= levels[exit]!.length) break;
        at[exit]! += stride;
        const outcome = outcomeOf(tuning, thresholds());
        at[exit]! -= stride;
        const saved = now.macs - outcome.macs;
        const loss = outcome.lost - outcome.gained - (now.lost - now.gained);
        // One lost answer is always reckoned with: what a few samples do not show may still be there.
        const worth = saved / (Math.max(0, loss) + 1);
        if (best === undefined || worth > best.worth) best = { exit, stride, worth, outcome };
      }
    }
    if (best === undefined) return path;
    // A step for each level of a stride: a test that stops at one of them has then gone as far as it could.
    for (let level = 0; level < best.stride; level++) {
      at[best.exit]!++;
      path.push(thresholds());
    }
    now = best.outcome;
  }
}

/** Infinity, then the confidences at which a hundredth of the samples each would go more, down to the least. */
function levelsOf(confidence: Float64Array): number[] {
  const sorted = confidence
    .filter((value) => !Number.isNaN(value))
    .sort()
    .reverse();
  const levels = [Number.POSITIVE_INFINITY];
  for (let level = 1; level <= LEVELS && sorted.length > 0; level++) {
    const value = sorted[Math.min(sorted.length - 1, Math.ceil((level * sorted.length) / LEVELS) - 1)]!;
    if (value < levels.at(-1)!) levels.push(value);
  }
  return levels;
}

export interface CertifyOptions {
  /** Share of the samples by which the accuracy may fall: 0.005 for half a point. */
  readonly maxDrop: number;
  /** Chance with which the promise holds, such as 0.95. */
  readonly confidence: number;
  /** 'net': lost answers less those gained, the fall of the accuracy. 'lost': lost ones alone, a stronger promise. */
  readonly counts?: 'net' | 'lost';
}

/** A promise about samples that nobody has seen, or that none can be given. */
export interface Certificate {
  readonly outcome: 'certified' | 'infeasible';
  /** Thresholds to run with; where infeasible nobody leaves. */
  readonly thresholds: Thresholds;
  readonly maxDrop: number;
  readonly confidence: number;
  readonly counts: 'net' | 'lost';
  /** Samples of the certification part, and how many of them lost or gained a right answer under the thresholds. */
  readonly n: number;
  readonly lost: number;
  readonly gained: number;
  /** Of "the accuracy falls by more than maxDrop", under the thresholds; the first that failed where infeasible. */
  readonly pValue: number;
  /** 'paired': exact unconditional test of the difference (pairedDropPValue); 'binomial': exact, where nothing can be gained. */
  readonly test: 'paired' | 'binomial';
  /** Threshold vectors that were tested, and how many the path has. */
  readonly tested: number;
  readonly path: number;
}

/**
 * Goes along a path of threshold vectors, made without these samples, as long as "the accuracy falls by more than maxDrop" is
 * rejected at 1 - confidence, and keeps the last that was: Learn then Test with a fixed sequence (Angelopoulos et al. 2021). The
 * chance that the thresholds break the bound is 1 - confidence at most. Throws USAGE_BAD_OPTION.
 */
export function certify(
  path: readonly Thresholds[],
  certification: ExitTable,
  options: CertifyOptions,
): Certificate {
  const { maxDrop, confidence, counts = 'net' } = options;
  if (!(maxDrop > 0 && maxDrop < 1)) {
    throw fail(
      'USAGE_BAD_OPTION',
      `the drop lies between 0 and 1 (a share of the samples), not at ${maxDrop}`,
    );
  }
  const gains = counts === 'net' && certification.whole.includes(0);
  const pValueOf = (step: number) => {
    const { n, lost, gained } = outcomeOf(certification, path[step]!);
    return gains
      ? pairedDropPValue({ onlyFirst: lost, onlySecond: gained, n }, maxDrop)
      : binomialPValue(lost, n, maxDrop);
  };
  const found = fixedSequenceTest(path.length, pValueOf, 1 - confidence);
  const certified = found.outcome === 'certified';
  const nobody = certification.confidence.map(() => Number.POSITIVE_INFINITY);
  const thresholds = certified ? path[found.chosen]! : nobody;
  const { n, lost, gained } = outcomeOf(certification, thresholds);
  return {
    outcome: found.outcome,
    thresholds,
    maxDrop,
    confidence,
    counts,
    n,
    lost,
    gained,
    pValue: found.pValues[certified ? found.chosen : 0] ?? 1,
    test: gains ? 'paired' : 'binomial',
    tested: found.pValues.length,
    path: path.length,
  };
}
