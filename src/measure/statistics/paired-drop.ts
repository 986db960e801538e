import { type PairedCounts, pairedScore } from './proportion.ts';

/** Shares of 'only second' that are looked at for the worst; around the worst of them it is looked at more closely. */
const GRID = 24;
const REFINEMENTS = 12;
/** Chance that the share of 'only second' lies outside of where it is looked for; added to the p-value. */
const OUTSIDE = 1e-6;
/** Terms of a binomial further than this many standard deviations (and counts) from its mean are left out: below 1e-13. */
const REACH = 8;

/**
 * p-value of "first beats second by more than `alpha`" from yes-or-no answers of both to the same n questions: exact and
 * unconditional (Hsueh, Liu and Chen 2001, "Unconditional exact tests for equivalence or noninferiority for paired binary
 * endpoints", Biometrics 57:478-483). Outcomes are ordered by Tango's score; p is the largest probability of an outcome at least as
 * far from the hypothesis as the one seen, over all shares of 'only second' that this many samples do not exclude (Berger and
 * Boos 1994, whose chance of 1e-6 is added).
 *
 * Fewer 'only first' or more 'only second' never count as nearer to the hypothesis, so that its worst case lies on its border,
 * a difference of exactly `alpha`, and one number is left to search. Where second never mends what first misses this is about the
 * exact binomial test; where it does, far fewer samples reject than by a bound on 'only first' alone.
 */
export function pairedDropPValue(counts: PairedCounts, alpha: number): number {
  const key = `${counts.onlyFirst} ${counts.onlySecond} ${counts.n} ${alpha}`;
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
  const p = computed(counts, alpha);
  KNOWN.set(key, p);
  return p;
}

/** Whoever goes along a path of settings, or repeats a test over many draws, asks for the same counts again and again. */
const KNOWN = new Map<string, number>();
const MOST_KNOWN = 20_000;

function computed(counts: PairedCounts, alpha: number): number {
  const { n, onlySecond } = counts;
  if (n === 0) return 1;
  if (alpha >= 1) return 0;
  const observed = pairedScore(counts, alpha);
  // What lies on the side of the hypothesis speaks for it.
  if (observed >= 0) return 1;
  const binomial = new Binomial(n);
  const [least, most] = binomial.shares(onlySecond, OUTSIDE / 2);
  const region = new Region(observed, n, alpha);
  const at = (share: number) => probabilityOf(region, binomial, alpha, share);
  const width = Math.max(0, Math.min(most, (1 - alpha) / 2) - least);
  const share = (i: number) => least + (width * i) / GRID;
  let [worst, where] = [0, 0];
  for (let i = 0; i <= GRID; i++) {
    const p = at(share(i));
    if (p > worst) [worst, where] = [p, i];
  }
  let [low, high] = [share(Math.max(0, where - 1)), share(Math.min(GRID, where + 1))];
  for (let step = 0; step < REFINEMENTS; step++) {
    const [a, b] = [low + (high - low) * 0.382, low + (high - low) * 0.618];
    const [pa, pb] = [at(a), at(b)];
    worst = Math.max(worst, pa, pb);
    if (pa < pb) low = a;
    else high = b;
  }
  return Math.min(1, worst + OUTSIDE);
}

/** The outcomes at least as far from the hypothesis as one seen. */
class Region {
  readonly #limit: number;
  readonly #n: number;
  readonly #alpha: number;
  readonly #most = new Map<number, number>();

  constructor(observed: number, n: number, alpha: number) {
    this.#limit = observed + 1e-9 * Math.abs(observed);
    this.#n = n;
    this.#alpha = alpha;
  }

  /** For a number of 'only second' the largest number of 'only first' that lies in it; -1: none. */
  mostFirst(onlySecond: number): number {
    const known = this.#most.get(onlySecond);
    if (known !== undefined) return known;
    const inside = (onlyFirst: number) =>
      pairedScore({ onlyFirst, onlySecond, n: this.#n }, this.#alpha) <= this.#limit;
    let [low, high] = [-1, this.#n - onlySecond];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (inside(middle)) low = middle;
      else high = middle - 1;
    }
    this.#most.set(onlySecond, low);
    return low;
  }
}

/** P((onlyFirst, onlySecond) in the region) where P(only second) = q and P(only first) = q + alpha. */
function probabilityOf(region: Region, binomial: Binomial, alpha: number, q: number): number {
  const { n } = binomial;
  const spread = REACH * Math.sqrt(n * q * (1 - q)) + 2 * REACH;
  const to = Math.min(n, Math.ceil(n * q + spread));
  const given = Math.min(1, (q + alpha) / (1 - q));
  let sum = 0;
  for (let second = Math.max(0, Math.floor(n * q - spread)); second <= to; second++) {
    const weight = binomial.term(second, n, q);
    if (weight < 1e-16) continue;
    sum += weight * binomial.cdf(region.mostFirst(second), n - second, given);
  }
  return sum;
}

/** Binomial probabilities of up to n trials, by a table of the logarithms of factorials. */
class Binomial {
  readonly n: number;
  readonly #logFactorial: Float64Array;

  constructor(n: number) {
    this.n = n;
    this.#logFactorial = new Float64Array(n + 1);
    for (let i = 2; i <= n; i++) this.#logFactorial[i] = this.#logFactorial[i - 1]! + Math.log(i);
  }

  term(k: number, n: number, p: number): number {
    if (p <= 0) return k === 0 ? 1 : 0;
    if (p >= 1) return k === n ? 1 : 0;
    const choose = this.#logFactorial[n]! - this.#logFactorial[k]! - this.#logFactorial[n - k]!;
    return Math.exp(choose + k * Math.log(p) + (n - k) * Math.log1p(-p));
  }

  cdf(k: number, n: number, p: number): number {
    if (k < 0) return 0;
    if (k >= n || p <= 0) return 1;
    if (p >= 1) return 0;
    const spread = REACH * Math.sqrt(n * p * (1 - p)) + 2 * REACH;
    if (k > n * p + spread) return 1;
    const from = Math.max(0, Math.floor(n * p - spread));
    if (k < from) return 0;
    let term = this.term(from, n, p);
    let sum = term;
    const odds = p / (1 - p);
    for (let i = from; i < k; i++) {
      term *= ((n - i) / (i + 1)) * odds;
      sum += term;
    }
    return Math.min(1, sum);
  }

  /** The shares at which k successes of n are not rarer than `tail` to either side (Clopper and Pearson 1934). */
  shares(k: number, tail: number): readonly [number, number] {
    const solve = (tooLow: (p: number) => boolean) => {
      let [low, high] = [0, 1];
      for (let step = 0; step < 50; step++) {
        const middle = (low + high) / 2;
        if (tooLow(middle)) low = middle;
        else high = middle;
      }
      return [low, high] as const;
    };
    const least = k === 0 ? 0 : solve((p) => 1 - this.cdf(k - 1, this.n, p) < tail)[0];
    const most = k === this.n ? 1 : solve((p) => this.cdf(k, this.n, p) > tail)[1];
    return [least, most];
  }
}
