import { fail } from '../../base/index.ts';
import { binomialCdf } from './quantile.ts';

/**
 * p-value of "the risk is above `alpha`" for a loss of 0 or 1, `losses` of `n` samples: P(Binomial(n, alpha) <= losses).
 * Exact: whatever risk above `alpha` is true, p falls below d with probability d at most. No sample proves nothing: 1.
 */
export function binomialPValue(losses: number, n: number, alpha: number): number {
  return n === 0 ? 1 : binomialCdf(losses, n, alpha);
}

/**
 * p-value of "the mean loss is above `alpha`" for losses in [0, 1] with the mean `risk` over `n` samples: the smaller of
 * Hoeffding's and Bentkus' bound (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets", section 3.1;
 * Angelopoulos et al. 2021, "Learn then Test", equation 11):
 * min(exp(-n h(min(risk, alpha), alpha)), e * BinomCDF(ceil(n * risk); n, alpha)), h the relative entropy.
 */
export function hoeffdingBentkusPValue(risk: number, n: number, alpha: number): number {
  if (n === 0 || alpha <= 0) return 1;
  if (alpha >= 1) return 0;
  const hoeffding = Math.exp(-n * relativeEntropy(Math.min(risk, alpha), alpha));
  // A mean of n losses that are 0 or 1 is a multiple of 1/n; its product with n may lie a rounding above the number.
  const bentkus = Math.E * binomialCdf(Math.ceil(n * risk - 1e-9 * n), n, alpha);
  return Math.min(1, hoeffding, bentkus);
}

/** a ln(a/b) + (1-a) ln((1-a)/(1-b)), for 0 <= a <= 1 and 0 < b < 1. */
function relativeEntropy(a: number, b: number): number {
  const part = (x: number, y: number) => (x === 0 ? 0 : x * Math.log(x / y));
  return part(a, b) + part(1 - a, 1 - b);
}

/** What a family of tests ends in: the settings whose risk is below the bound, or none. */
export type Certified =
  | {
      readonly outcome: 'certified';
      /** Of the settings that may be used, the last: the riskiest, where they stand from safe to risky. */
      readonly chosen: number;
      /** All that may be used, by their numbers, ascending. */
      readonly valid: readonly number[];
      /** p-values of the settings that were tested, from the first. */
      readonly pValues: readonly number[];
    }
  | { readonly outcome: 'infeasible'; readonly pValues: readonly number[] };

/**
 * Learn then Test over settings that stand from the safest to the riskiest, an order set without the samples of the test:
 * each is tested at the full level `delta` until one fails, and with probability 1 - delta at least no setting that passed
 * breaks its bound (Angelopoulos et al. 2021, section 3.2; Bauer 1991). `pValueOf(i)` is asked in that order and no further
 * than needed. Throws USAGE_BAD_OPTION where delta is no probability.
 */
export function fixedSequenceTest(
  settings: number,
  pValueOf: (setting: number) => number,
  delta: number,
): Certified {
  checkLevel(delta);
  const pValues: number[] = [];
  for (let i = 0; i < settings; i++) {
    pValues.push(pValueOf(i));
    if (!(pValues[i]! <= delta)) break;
  }
  const passed = pValues.filter((p) => p <= delta).length;
  if (passed === 0) return { outcome: 'infeasible', pValues };
  const valid = Array.from({ length: passed }, (_, i) => i);
  return { outcome: 'certified', chosen: passed - 1, valid, pValues };
}

/**
 * Learn then Test over settings in any order, each at the level delta / settings (Bonferroni). It finds settings behind one
 * that fails, which a fixed sequence never reaches, and pays for it with the level. Throws USAGE_BAD_OPTION where delta is no probability.
 */
export function bonferroniTest(pValues: readonly number[], delta: number): Certified {
  checkLevel(delta);
  const valid = pValues.flatMap((p, i) => (p <= delta / pValues.length ? [i] : []));
  if (valid.length === 0) return { outcome: 'infeasible', pValues };
  return { outcome: 'certified', chosen: valid.at(-1)!, valid, pValues };
}

function checkLevel(delta: number): void {
  if (delta > 0 && delta < 1) return;
  throw fail('USAGE_BAD_OPTION', `the error level of a test lies between 0 and 1, not at ${delta}`);
}
