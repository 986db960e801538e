import type { FoundRate, LoadPoint } from './result.ts';

/** One trial of a rate. */
export interface TrialAsk {
  /** Queries per second. */
  readonly rate: number;
  readonly purpose: 'probe' | 'confirmation';
  /** Counts the trials, so that each has a seed of its own. */
  readonly turn: number;
}

export interface FindOptions {
  /** The first rate tried. */
  readonly start: number;
  /** Ends when the lowest rate that broke the bound is within this of the highest that kept it. Default 0.03. */
  readonly precision?: number;
  readonly onTrial?: (point: LoadPoint) => void;
  readonly signal?: AbortSignal;
}

/** The lowest rate tried, as a share of the first. */
const LEAST = 1 / 1024;
/** The highest. */
const MOST = 1024;
/** Steps down after a confirmation that failed. */
const MOST_CONFIRMATIONS = 8;

/**
 * The highest rate whose trials keep the bound: doubling or halving until one keeps and one breaks it, then binary search (on a
 * logarithmic scale), then a confirmation; where that fails, the next lower rate is confirmed. A probe that fails is made once more
 * with another seed before it counts, so that one hiccup of the machine does not halve the answer. Ends early when the signal fires.
 */
export async function findRate(
  trial: (ask: TrialAsk) => Promise<LoadPoint>,
  { start, precision = 0.03, onTrial, signal }: FindOptions,
): Promise<{ found: FoundRate; curve: LoadPoint[] }> {
  const curve: LoadPoint[] = [];
  const stopped = () => signal?.aborted === true;
  const ask = async (rate: number, purpose: TrialAsk['purpose']) => {
    const point = await trial({ rate, purpose, turn: curve.length });
    curve.push(point);
    onTrial?.(point);
    return point.met === true && !stopped();
  };
  const keeps = async (rate: number) =>
    (await ask(rate, 'probe')) || (!stopped() && (await ask(rate, 'probe')));
  let low: number | undefined;
  let high: number | undefined;
  for (let rate = start; !stopped(); ) {
    if (await keeps(rate)) low = rate;
    else if (!stopped()) high = rate;
    if (low === undefined && (high ?? start) <= start * LEAST) break;
    if (high === undefined && (low ?? start) >= start * MOST) break;
    if (low !== undefined && high !== undefined && high / low - 1 <= precision) break;
    if (low === undefined) rate = (high ?? start) / 2;
    else rate = high === undefined ? low * 2 : Math.sqrt(low * high);
  }
  const answer = (rate: number | undefined, confirmed: boolean, why: string) => ({
    found: { rate, broken: high, confirmed, why },
    curve,
  });
  for (let step = 0; low !== undefined && !stopped() && step < MOST_CONFIRMATIONS; step++) {
    if (await ask(low, 'confirmation')) {
      const why =
        step === 0
          ? 'the highest rate of the search kept the bound again'
          : `confirmed after ${step} step(s) down`;
      return answer(low, true, why);
    }
    if (stopped()) break;
    high = low;
    low *= 1 - 2 * precision;
  }
  if (stopped()) return answer(low, false, 'the search was stopped');
  if (low === undefined) return answer(undefined, false, 'even the lowest rate tried broke the bound');
  return answer(low, false, `${MOST_CONFIRMATIONS} confirmations failed in a row`);
}
