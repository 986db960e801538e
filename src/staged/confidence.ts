import { fail } from '../base/index.ts';
import type { ConfidenceKind, ExitRule } from './staged-model.ts';

/** How a rule reads scores: all of it but the threshold. */
export type ScoreReading = Pick<ExitRule, 'scale' | 'temperature' | 'confidence'>;

/** What an exit makes of some samples. */
export interface Judgement {
  /** [samples]: how sure, in [0, 1]; NaN where a score is NaN, which no threshold lets leave. */
  readonly confidence: Float64Array;
  /** [samples]: the class with the largest score, the first of equals; -1 where a score is NaN. */
  readonly best: Int32Array;
}

/** The smallest probability whose logarithm is taken: float32 tells it from 0. */
const LEAST = 1e-30;
/** What float32 can tell from 1. */
const NEAREST = 1e-7;

/**
 * Reads scores [samples, classes], row-major. One column is yes or no (classes 0 and 1). Throws USAGE_BAD_OPTION where the
 * temperature is not above 0 or the scores fill no rows.
 */
export function judge(scores: ArrayLike<number>, classes: number, rule: ScoreReading): Judgement {
  if (!(rule.temperature > 0)) {
    throw fail('USAGE_BAD_OPTION', `the temperature of an exit is above 0, not ${rule.temperature}`);
  }
  if (classes < 1 || scores.length % classes !== 0) {
    throw fail('USAGE_BAD_OPTION', `${scores.length} scores are no rows of ${classes} classes`);
  }
  const samples = scores.length / classes;
  const confidence = new Float64Array(samples);
  const best = new Int32Array(samples);
  const row = new Float64Array(Math.max(2, classes));
  for (let i = 0; i < samples; i++) {
    logitsOfRow(scores, i, classes, rule.scale, row);
    best[i] = largest(row);
    confidence[i] = best[i]! < 0 ? Number.NaN : CONFIDENCE[rule.confidence](softened(row, rule.temperature));
  }
  return { confidence, best };
}

/** Logits of sample `i` of scores [samples, classes] into `row`, which has room for two at least: yes or no gives [0, logit]. */
export function logitsOfRow(
  scores: ArrayLike<number>,
  i: number,
  classes: number,
  scale: ExitRule['scale'],
  row: Float64Array,
): void {
  if (classes === 1) {
    const score = scores[i]!;
    const p = Math.min(Math.max(score, NEAREST), 1 - NEAREST);
    row[0] = 0;
    row[1] = scale === 'logits' ? score : Math.log(p / (1 - p));
    return;
  }
  for (let c = 0; c < classes; c++) {
    const score = scores[i * classes + c]!;
    row[c] = scale === 'logits' ? score : Math.log(Math.max(score, LEAST));
  }
}

function largest(row: Float64Array): number {
  let best = 0;
  for (let c = 0; c < row.length; c++) {
    if (Number.isNaN(row[c]!)) return -1;
    if (row[c]! > row[best]!) best = c;
  }
  return best;
}

/** Softmax of logits / temperature, in place; the largest is taken away first, so that nothing overflows. */
function softened(row: Float64Array, temperature: number): Float64Array {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of row) most = Math.max(most, value);
  let sum = 0;
  for (let c = 0; c < row.length; c++) {
    // An infinite score has all of it; infinity less infinity is no number.
    row[c] = row[c] === most ? 1 : Math.exp((row[c]! - most) / temperature);
    sum += row[c]!;
  }
  for (let c = 0; c < row.length; c++) row[c]! /= sum;
  return row;
}

const CONFIDENCE: Readonly<Record<ConfidenceKind, (probabilities: Float64Array) => number>> = {
  'max-probability': (row) => row.reduce((most, p) => Math.max(most, p), 0),
  margin(row) {
    let [first, second] = [0, 0];
    for (const p of row) {
      if (p > first) [first, second] = [p, first];
      else if (p > second) second = p;
    }
    return first - second;
  },
  entropy(row) {
    let entropy = 0;
    for (const p of row) if (p > 0) entropy -= p * Math.log(p);
    return Math.max(0, 1 - entropy / Math.log(row.length));
  },
};

/** The ways to be sure, by name: for options and their help. */
export const CONFIDENCE_KINDS = Object.keys(CONFIDENCE) as readonly ConfidenceKind[];
