import { ALIKE_WITHIN, type Comparison, type Drop, type Evaluation, verdictOf } from '../measure/index.ts';
import type { MixJudge } from './judge.ts';
import type { Settled } from './options.ts';
import type { Variant } from './variant.ts';

/** What is best, and why. */
export interface Decision {
  /** A mix; one precision for all; or the cleaned model in fp32, where nothing cheaper holds. */
  readonly verdict: 'mixed' | 'uniform' | 'fp32';
  readonly why: string;
  readonly chosen: Variant;
  /** The best that one precision gives within the bound (fp32 where no other does). */
  readonly bestUniform: Variant;
  /** The best mix, against the best uniform in turns within one run; undefined where no mix holds. */
  readonly bestMix?: { readonly variant: Variant; readonly against: Comparison };
  /** The chosen one on the held-out part, and its loss there. */
  readonly heldOut: { readonly evaluation: Evaluation; readonly drop: Drop };
}

/** Variants that go to the held-out part at most, uniform ones not counted. */
const FINALISTS = 4;

/** What a decision asks for. */
type Bounds = Pick<Settled, 'maxDrop' | 'minimize'>;

/**
 * Races the variants that hold on the tuning part, tests them on the held-out part, and sets the best mix against the best uniform. One
 * of the variants is fp32. Each learns why it was chosen or not.
 */
export function decide(
  variants: readonly Variant[],
  judge: Pick<MixJudge, 'race' | 'evaluate'>,
  bounds: Bounds,
): Promise<Decision> {
  return new Decider(judge, bounds).decide(variants);
}

class Decider {
  readonly #judge: Pick<MixJudge, 'race' | 'evaluate'>;
  readonly #o: Bounds;

  constructor(judge: Pick<MixJudge, 'race' | 'evaluate'>, bounds: Bounds) {
    this.#judge = judge;
    this.#o = bounds;
  }

  async decide(variants: readonly Variant[]): Promise<Decision> {
    const { maxDrop, minimize } = this.#o;
    const fp32 = variants.find(({ precision }) => precision === 'fp32')!;
    const able = variants.filter(
      (variant) => variant === fp32 || (variant.drop?.value ?? Number.NaN) <= maxDrop,
    );
    for (const variant of variants)
      if (!able.includes(variant)) variant.why = 'loses too much on the tuning part';
    const raced = await this.#judge.race(able);
    for (const [i, variant] of able.entries()) variant.speed = raced[i]!;
    const cost = (variant: Variant) => (minimize === 'size' ? variant.bytes : variant.speed!.latency.value);
    const held = await this.#test(able, fp32, cost);
    const least = (some: readonly Variant[]) => some.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    const bestUniform = least(held.filter(({ precision }) => precision !== undefined));
    const mixes = held.filter(({ precision }) => precision === undefined);
    const mix = mixes.length > 0 ? least(mixes) : undefined;
    const against = mix && (await this.#judge.race([bestUniform, mix]))[1]!;
    const gain = mix && against && this.#gain(mix, bestUniform, against);
    const chosen = gain?.sure ? mix! : bestUniform;
    for (const variant of held) if (variant !== chosen) variant.why ||= 'holds, and costs more';
    chosen.why = `the least ${minimize} of those that hold`;
    return {
      verdict: gain?.sure ? 'mixed' : chosen === fp32 ? 'fp32' : 'uniform',
      why: gain?.why ?? 'no mix that costs less than fp32 holds on the held-out part',
      chosen,
      bestUniform,
      ...(mix && against && { bestMix: { variant: mix, against } }),
      heldOut: chosen.heldOut!,
    };
  }

  /** Whether a mix surely costs less than one precision for all, in words. */
  #gain(mix: Variant, uniform: Variant, against: Comparison): { sure: boolean; why: string } {
    const name = uniform.precision ?? uniform.title;
    if (this.#o.minimize === 'size') {
      const share = mix.bytes / uniform.bytes;
      return { sure: share < 1, why: `the mix takes ${(100 * share).toFixed(1)} % of the bytes of ${name}` };
    }
    const { value, interval } = against.speedRatio;
    const range = interval ? ` (${interval.low.toFixed(3)} to ${interval.high.toFixed(3)})` : '';
    const verdict = verdictOf(interval, against.throughputRatio.interval);
    const sure = verdict === 'faster';
    const words = sure ? 'is faster' : verdict === 'slower' ? 'is slower' : 'is not surely faster';
    return { sure, why: `the mix ${words} than ${name}: ${value.toFixed(3)} times as fast${range}` };
  }

  /**
   * The finalists on the held-out part, from the safest to the cheapest, up to the first that may lose too much: each is then tested at
   * the full level (Maurer, Hothorn and Lehmacher 1995). The order was set by the tuning part alone. fp32 computes what was given,
   * up to rounding, and need not be proved.
   */
  async #test(
    able: readonly Variant[],
    fp32: Variant,
    cost: (variant: Variant) => number,
  ): Promise<Variant[]> {
    const { maxDrop } = this.#o;
    fp32.heldOut = await this.#judge.evaluate(fp32, 'heldOut');
    const risk = (variant: Variant) => variant.drop?.interval.high ?? Number.POSITIVE_INFINITY;
    const others = able.filter((variant) => variant !== fp32);
    // What gains nothing would only stand before what does: its failure would end the test.
    const gaining = others.filter((variant) => cost(variant) < cost(fp32));
    const finalists = finalistsOf(gaining, risk, cost);
    for (const variant of others) {
      if (finalists.includes(variant)) continue;
      variant.why = gaining.includes(variant)
        ? 'another is as safe and costs less'
        : 'costs no less than fp32';
    }
    const passed: Variant[] = [fp32];
    for (const [i, variant] of finalists.entries()) {
      variant.heldOut = await this.#judge.evaluate(variant, 'heldOut');
      const { high } = variant.heldOut.drop.interval;
      if (high <= maxDrop) {
        passed.push(variant);
        continue;
      }
      variant.why = `may lose ${Number(high.toPrecision(3))} on the held-out part`;
      for (const later of finalists.slice(i + 1))
        later.why = 'a safer one already failed on the held-out part';
      break;
    }
    return passed;
  }
}

/** The front of risk and cost, from the safest to the cheapest, of uniforms and of mixes each: they are to be compared. */
function finalistsOf(
  variants: readonly Variant[],
  risk: (variant: Variant) => number,
  cost: (variant: Variant) => number,
): Variant[] {
  const front = (some: readonly Variant[]) =>
    some.filter(
      (one) =>
        !some.some(
          (other) =>
            other !== one &&
            risk(other) <= risk(one) &&
            cost(other) <= cost(one) &&
            (risk(other) < risk(one) || cost(other) < cost(one)),
        ),
    );
  const uniforms = front(variants.filter(({ precision }) => precision !== undefined));
  const mixes = front(variants.filter(({ precision }) => precision === undefined));
  // From the safest on, what a further risk must pay: within the noise of the clock it would only stand before the next.
  const paying: Variant[] = [];
  for (const mix of mixes.sort((a, b) => risk(a) - risk(b) || cost(a) - cost(b))) {
    if (paying.length === 0 || cost(mix) < (1 - ALIKE_WITHIN) * cost(paying.at(-1)!)) paying.push(mix);
  }
  const cheapest = paying.slice(-FINALISTS);
  return [...uniforms, ...cheapest].sort((a, b) => risk(a) - risk(b) || cost(b) - cost(a));
}
