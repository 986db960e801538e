import { type ExitRule, logitsOfRow } from '../staged/index.ts';

/** Scores of some samples with the class that is right for each. */
export interface Scored {
  /** [samples, classes], row-major; one column is yes or no. */
  readonly scores: ArrayLike<number>;
  readonly classes: number;
  readonly scale: ExitRule['scale'];
  readonly truth: ArrayLike<number>;
}

/** How well the probabilities of an exit say how often it is right. */
export interface Calibration {
  readonly temperature: number;
  /** Expected calibration error at temperature 1 and at the one chosen, as shares. */
  readonly eceBefore: number;
  readonly eceAfter: number;
  /** Mean negative log likelihood of the truth, nats. */
  readonly nllBefore: number;
  readonly nllAfter: number;
  readonly n: number;
}

/** Temperatures are looked for between these. */
const COOLEST = 1 / 64;
const HOTTEST = 4096;
const STEPS = 60;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * The temperature that makes the negative log likelihood of the truth least (Guo et al. 2017, "On calibration of modern neural
 * networks"): one number, found by golden section over its logarithm, since the likelihood has a single peak in 1/T. Without
 * samples 1.
 */
export function fitTemperature(scored: Scored): Calibration {
  const n = scored.truth.length;
  const at = (logT: number) => nllOf(scored, Math.exp(logT));
  let [low, high] = [Math.log(COOLEST), Math.log(HOTTEST)];
  let [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
  let [fa, fb] = [at(a), at(b)];
  for (let step = 0; step < STEPS && n > 0; step++) {
    if (fa <= fb) {
      [high, b, fb] = [b, a, fa];
      a = high - GOLDEN * (high - low);
      fa = at(a);
    } else {
      [low, a, fa] = [a, b, fb];
      b = low + GOLDEN * (high - low);
      fb = at(b);
    }
  }
  const found = Math.exp((low + high) / 2);
  const nllBefore = nllOf(scored, 1);
  const temperature = n > 0 && nllOf(scored, found) < nllBefore ? found : 1;
  return {
    temperature,
    eceBefore: expectedCalibrationError(scored, 1),
    eceAfter: expectedCalibrationError(scored, temperature),
    nllBefore,
    nllAfter: nllOf(scored, temperature),
    n,
  };
}

/** Mean of -log of the probability that is given to the truth. Samples whose scores are not numbers are left out. */
function nllOf({ scores, classes, scale, truth }: Scored, temperature: number): number {
  const row = new Float64Array(Math.max(2, classes));
  let [sum, n] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    logitsOfRow(scores, i, classes, scale, row);
    const own = logSumExp(row, temperature) - row[truth[i]!]! / temperature;
    if (Number.isNaN(own)) continue;
    // A score that is minus infinity would hide all others.
    sum += Math.min(own, 1e6);
    n++;
  }
  return n === 0 ? 0 : sum / n;
}

function logSumExp(row: Float64Array, temperature: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of row) most = Math.max(most, value);
  let sum = 0;
  for (const value of row) sum += Math.exp((value - most) / temperature);
  return most / temperature + Math.log(sum);
}

/** Bins of confidence of equal width. */
const BINS = 15;

/**
 * Mean distance between the largest probability and the share of right answers, in bins of equal width weighted by their samples
 * (Naeini et al. 2015; Guo et al. 2017, equation 3).
 */
export function expectedCalibrationError(
  { scores, classes, scale, truth }: Scored,
  temperature: number,
): number {
  const row = new Float64Array(Math.max(2, classes));
  const bins = Array.from({ length: BINS }, () => ({ n: 0, right: 0, sure: 0 }));
  for (let i = 0; i < truth.length; i++) {
    logitsOfRow(scores, i, classes, scale, row);
    const best = row.indexOf(Math.max(...row));
    const sure = Math.exp(row[best]! / temperature - logSumExp(row, temperature));
    if (Number.isNaN(sure)) continue;
    const bin = bins[Math.min(BINS - 1, Math.floor(sure * BINS))]!;
    bin.n++;
    bin.sure += sure;
    if (best === truth[i]) bin.right++;
  }
  const n = truth.length;
  return bins.reduce((sum, bin) => sum + Math.abs(bin.right - bin.sure) / Math.max(1, n), 0);
}
