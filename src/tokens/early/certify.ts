import { fail } from '../../base/index.ts';
import type { Model } from '../../graph/index.ts';
import { bettingPValue, fixedSequenceTest } from '../../measure/index.ts';
import type { SessionSettings } from '../../run/index.ts';
import { openEarlyDecoder } from '../decoder.ts';
import { openScoring } from '../scoring.ts';
import type { TokenConfidence } from './confidence.ts';
import type { EarlyDecoder } from './cut.ts';
import { type JudgeOptions, judgeEarly } from './judge.ts';
import type { EarlyRule } from './reader.ts';

export interface CertifyEarlyOptions extends JudgeOptions {
  /** The most tokens, as a share, that may differ from the whole model's greedy choice, on average over prompts: 0.05, say. */
  readonly most: number;
  /** Confidence that the bound holds. Default 0.95. */
  readonly confidence?: number;
  /** How an exit says that it is sure. Default 'margin'. */
  readonly kind?: TokenConfidence;
  /** From the safest (highest) to the riskiest. Set before looking at the prompts. Default: THRESHOLDS. */
  readonly thresholds?: readonly number[];
  readonly settings?: Partial<Omit<SessionSettings, 'instances'>>;
}

/** One threshold that was tried on the prompts. */
export interface TriedThreshold {
  readonly threshold: number;
  /** Mean share of differing tokens. */
  readonly risk: number;
  /** Of "the risk is above the bound". */
  readonly pValue: number;
  /** Mean layers before a token is chosen. */
  readonly depth: number;
}

/** A rule that keeps the bound, or that there is none. */
export type CertifiedExits =
  | { readonly outcome: 'certified'; readonly rule: EarlyRule; readonly tried: readonly TriedThreshold[] }
  | { readonly outcome: 'infeasible'; readonly tried: readonly TriedThreshold[] };

export const THRESHOLDS: readonly number[] = [
  0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.925, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3,
];

/**
 * Chooses the lowest threshold such that, with the confidence asked for, texts written with it differ from the whole model's choices
 * in no more tokens than allowed: Learn then Test by a fixed sequence of thresholds, a betting p-value each (bettingPValue; Angelopoulos et al. 2021; CALM,
 * section 4). `prompts`: drawn as those will be that it is used for, none of them used to fit anything; each counts once. Throws USAGE_BAD_OPTION,
 * DATA_EMPTY.
 */
export async function certifyExits(
  model: Model,
  early: EarlyDecoder,
  prompts: readonly (readonly number[])[],
  options: CertifyEarlyOptions,
): Promise<CertifiedExits> {
  const { most, confidence = 0.95, kind = 'margin', thresholds = THRESHOLDS, settings, ...judge } = options;
  check(most, confidence, thresholds);
  if (prompts.length === 0) throw fail('DATA_EMPTY', 'there are no prompts to test exits with');
  const delta = 1 - confidence;
  const tried: TriedThreshold[] = [];
  const whole = await openScoring(model, settings);
  try {
    for (const threshold of thresholds) {
      const decoder = await openEarlyDecoder(early, { confidence: kind, threshold }, { settings });
      try {
        const found = await judgeEarly(decoder, whole, prompts, early.depths, judge);
        const risk = mean(found.differing);
        const pValue = bettingPValue(found.differing, most);
        tried.push({ threshold, risk, pValue, depth: mean(found.depths) });
      } finally {
        await decoder.dispose();
      }
      // The sequence ends at the first that fails, so nothing behind it need be looked at.
      if (!(tried.at(-1)!.pValue <= delta)) break;
    }
  } finally {
    await whole.dispose();
  }
  const test = fixedSequenceTest(tried.length, (i) => tried[i]!.pValue, delta);
  if (test.outcome === 'infeasible') return { outcome: 'infeasible', tried };
  return {
    outcome: 'certified',
    rule: { confidence: kind, threshold: tried[test.chosen]!.threshold },
    tried,
  };
}

function check(most: number, confidence: number, thresholds: readonly number[]): void {
  if (!(most > 0 && most < 1) || !(confidence > 0 && confidence < 1)) {
    throw fail(
      'USAGE_BAD_OPTION',
      `a share of ${most} at confidence ${confidence}: both lie between 0 and 1`,
    );
  }
  const falling = thresholds.every((value, i) => value >= 0 && (i === 0 || value < thresholds[i - 1]!));
  if (thresholds.length === 0 || !falling) {
    throw fail('USAGE_BAD_OPTION', `thresholds ${thresholds.join(', ')}; they fall, and none is below 0`);
  }
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
