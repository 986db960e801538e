import { fail, ModicumError, SILENT, throwIfAborted } from '../base/index.ts';
import { type Dataset, split } from '../data/index.ts';
import { assertValid, type Model } from '../graph/index.ts';
import {
  ALIKE_WITHIN,
  type Comparison,
  type Drop,
  type Evaluation,
  type Measurement,
  type Metric,
  verdictOf,
} from '../measure/index.ts';
import { probeProviders } from '../run/index.ts';
import {
  cleanUp,
  halfMaxima,
  type MixLayer,
  mixLayers,
  type PassContext,
  type Precision,
  prepareStatic,
  STATIC_DEFAULTS,
} from '../transform/index.ts';
import { type RatedLayer, rateLayers } from './choices.ts';
import { MixJudge } from './judge.ts';
import { type MixOptions, type MixParts, type Settled, settle } from './options.ts';
import { pickAssignments } from './pick.ts';
import { measureSensitivity } from './sensitivity.ts';
import { measureSpeed } from './speed.ts';
import { makeVariant, uniformVariant, type Variant } from './variant.ts';

export interface MixResult {
  /** What is best, and why: a mix; one precision for all; or the cleaned model in fp32, where nothing cheaper holds. */
  readonly verdict: 'mixed' | 'uniform' | 'fp32';
  readonly why: string;
  readonly chosen: Variant;
  /** The best that one precision gives within the bound (fp32 where no other does). */
  readonly bestUniform: Variant;
  /** The best mix, against the best uniform in turns within one run; undefined where no mix holds. */
  readonly bestMix?: { readonly variant: Variant; readonly against: Comparison };
  readonly layers: readonly RatedLayer[];
  readonly variants: readonly Variant[];
  readonly metric: Metric;
  /** The model as given on the held-out part. */
  readonly baseline: Evaluation;
  /** The chosen one there, and its loss. */
  readonly heldOut: { readonly evaluation: Evaluation; readonly drop: Drop };
  /** Precisions that were asked for and cannot be had, with the reason. */
  readonly unavailable: readonly { readonly precision: Precision; readonly why: string }[];
  readonly records: readonly Measurement[];
  /** How the data was divided, in words; undefined where it came in parts. */
  readonly rule?: string;
}

/** Metrics of decisions among classes: layers are ranked by what they do to the distribution. */
const OF_CLASSES: ReadonlySet<string> = new Set([
  'top1',
  'top5',
  'accuracy',
  'f1',
  'agreement',
  'kl',
  'perplexity',
]);
/** Variants that go to the held-out part at most. */
const FINALISTS = 5;

/**
 * Finds the precision of each layer that makes a model cheapest within a bound on its loss. Sensitivity and time of each layer in each
 * precision are measured (and kept on the disk); a knapsack gives assignments along the front of both; these are built, run on a tuning
 * part and repaired; the finalists race against each other and against the best that one precision gives; and are tested on a held-out
 * part from the safest to the cheapest, up to the first whose loss may be more than allowed. A mix that is not surely faster
 * than one precision for all is not chosen.
 * Throws USAGE_BAD_OPTION, NOTHING_TO_QUANTIZE where no layer can be in any other precision, PROVIDER_UNAVAILABLE, and what loading,
 * binding and running throw.
 */
export async function mixPrecision(given: Model, data: Dataset, options: MixOptions): Promise<MixResult> {
  const settled = settle(options);
  assertValid(given);
  const { seed, provider, signal } = settled;
  if (provider !== 'cpu') {
    const [report] = await probeProviders({ providers: [provider] });
    if (!report?.available)
      throw fail('PROVIDER_UNAVAILABLE', `${provider}: ${report?.reason ?? 'it does not start'}`);
  }
  const divided = settled.parts === undefined ? await split(data, { seed, signal }) : undefined;
  const parts = settled.parts ?? divided!;
  const mixer = new Mixer(given, parts, settled);
  try {
    const result = await mixer.go();
    return divided === undefined ? result : { ...result, rule: divided.rule };
  } finally {
    await mixer.judge.dispose();
  }
}

class Mixer {
  readonly judge: MixJudge;
  readonly #given: Model;
  readonly #parts: MixParts;
  readonly #o: Settled;
  readonly #context: PassContext;
  readonly #unavailable: { precision: Precision; why: string }[] = [];

  constructor(given: Model, parts: MixParts, options: Settled) {
    const { progress = SILENT, signal, seed } = options;
    this.#given = given;
    this.#parts = parts;
    this.#o = options;
    this.#context = { progress, signal, seed, calibration: parts.calibration };
    this.judge = new MixJudge(given, parts, options);
  }

  async go(): Promise<MixResult> {
    const { precisions, minimize, maxDrop, candidates, signal, passes: given = {} } = this.#o;
    await this.judge.baseline('search');
    // Held-out data that cannot be used is to be found now, not after the search.
    const baseline = await this.judge.baseline('heldOut');
    const { model } = await cleanUp.apply(this.#given, cleanUp.defaults, this.#context);
    const layers = mixLayers(model, { least: given.weights?.least }).filter((layer) =>
      layer.precisions.some((one) => one !== 'fp32' && precisions.includes(one)),
    );
    if (layers.length === 0) {
      throw fail(
        'NOTHING_TO_QUANTIZE',
        `no layer can be in ${precisions.filter((one) => one !== 'fp32').join(' or ')}`,
      );
    }
    const passes = { ...given, ...(await this.#prepared(model, layers)) };
    const uniforms = await this.#uniforms(model, layers, passes);
    const sensitivities = await this.#sensitivity(model, layers);
    const { cache, batch, settings, progress } = this.#o;
    const speeds = await measureSpeed(model, layers, uniforms, this.#parts.calibration, {
      cache,
      batch,
      settings,
      progress,
      signal,
    });
    const rated = rateLayers(layers, precisions, sensitivities, speeds, minimize);
    for (const uniform of uniforms) await this.#tune(uniform);
    const built = await pickAssignments(
      rated,
      async (title, precisionOf) => {
        const made = await makeVariant(title, model, layers, precisionOf, passes, this.#context);
        await this.#tune(made);
        return made;
      },
      { maxDrop, candidates, signal },
    );
    const variants = distinct([...uniforms, ...built]);
    const decided = await this.#decide(variants);
    return {
      ...decided,
      layers: rated,
      variants,
      metric: this.judge.metric,
      baseline,
      unavailable: this.#unavailable,
      records: this.judge.records,
    };
  }

  /** What the passes read from the data, once. */
  async #prepared(model: Model, layers: readonly MixLayer[]): Promise<NonNullable<Settled['passes']>> {
    const { precisions, passes = {} } = this.#o;
    const able = (one: Precision) =>
      precisions.includes(one) && layers.some((layer) => layer.precisions.includes(one));
    const statics = { ...STATIC_DEFAULTS, ...passes.static };
    const counted = able('int8') ? await prepareStatic(model, statics, this.#context) : {};
    const maxima = able('fp16') ? await halfMaxima(model, this.#context) : undefined;
    return { static: { ...passes.static, ...counted }, half: { ...passes.half, maxima } };
  }

  async #uniforms(
    model: Model,
    layers: readonly MixLayer[],
    passes: NonNullable<Settled['passes']>,
  ): Promise<Variant[]> {
    const made: Variant[] = [];
    for (const precision of this.#o.precisions) {
      throwIfAborted(this.#o.signal);
      try {
        made.push(await uniformVariant(precision, model, layers, passes, this.#context));
      } catch (cause) {
        if (!(cause instanceof ModicumError && cause.code === 'NOTHING_TO_QUANTIZE')) throw cause;
        this.#unavailable.push({ precision, why: cause.message });
      }
    }
    return made;
  }

  #sensitivity(model: Model, layers: readonly MixLayer[]) {
    const { precisions, metric, metricOptions, samples, cache, passes, progress, signal } = this.#o;
    return measureSensitivity(model, this.#parts.calibration, {
      layers,
      precisions: precisions.filter((one) => one !== 'fp32'),
      by: OF_CLASSES.has(metric) ? 'kl' : 'noise',
      output: metricOptions?.output,
      samples,
      cache,
      passes,
      progress,
      signal,
    });
  }

  async #tune(variant: Variant): Promise<void> {
    throwIfAborted(this.#o.signal);
    Object.assign(variant, await this.judge.evaluate(variant, 'search'));
  }

  async #decide(
    variants: readonly Variant[],
  ): Promise<Pick<MixResult, 'verdict' | 'why' | 'chosen' | 'bestUniform' | 'bestMix' | 'heldOut'>> {
    const { maxDrop, minimize } = this.#o;
    const fp32 = variants.find(({ precision }) => precision === 'fp32')!;
    const able = variants.filter(
      (variant) => variant === fp32 || (variant.drop?.value ?? Number.NaN) <= maxDrop,
    );
    for (const variant of variants)
      if (!able.includes(variant)) variant.why = 'loses too much on the tuning part';
    const raced = await this.judge.race(able);
    for (const [i, variant] of able.entries()) variant.speed = raced[i]!;
    const cost = (variant: Variant) => (minimize === 'size' ? variant.bytes : variant.speed!.latency.value);
    const held = await this.#test(able, fp32, cost);
    const least = (some: readonly Variant[]) => some.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    const bestUniform = least(held.filter(({ precision }) => precision !== undefined));
    const mixes = held.filter(({ precision }) => precision === undefined);
    const mix = mixes.length > 0 ? least(mixes) : undefined;
    const against = mix && (await this.judge.race([bestUniform, mix]))[1]!;
    const gain = mix && against && this.#gain(mix, bestUniform, against);
    const chosen = gain?.sure ? mix! : bestUniform;
    for (const variant of held) if (variant !== chosen) variant.why ||= 'holds, and costs more';
    chosen.why = `the least ${minimize} of those that hold`;
    return {
      verdict: gain?.sure ? 'mixed' : chosen === fp32 ? 'fp32' : 'uniform',
      why: gain?.why ?? 'no mix holds on the held-out part that one precision for all does not give',
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
    fp32.heldOut = await this.judge.evaluate(fp32, 'heldOut');
    const risk = (variant: Variant) => variant.drop?.interval.high ?? Number.POSITIVE_INFINITY;
    const others = able.filter((variant) => variant !== fp32);
    const finalists = finalistsOf(others, risk, cost);
    for (const variant of others)
      if (!finalists.includes(variant)) variant.why = 'another is as safe and costs less';
    const passed: Variant[] = [fp32];
    for (const [i, variant] of finalists.entries()) {
      variant.heldOut = await this.judge.evaluate(variant, 'heldOut');
      const { high } = variant.heldOut.drop.interval;
      if (high <= maxDrop) {
        passed.push(variant);
        continue;
      }
      variant.why = `may lose ${high.toFixed(2)} on the held-out part`;
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
  const cheapest = paying.slice(-(FINALISTS - 1));
  return [...uniforms, ...cheapest].sort((a, b) => risk(a) - risk(b) || cost(b) - cost(a));
}

/** Each effective assignment once: what goes back to fp32 can make two the same. */
function distinct(variants: readonly Variant[]): Variant[] {
  const seen = new Map<string, Variant>();
  for (const variant of variants) {
    const key = JSON.stringify(Object.entries(variant.effective).sort());
    if (!seen.has(key)) seen.set(key, variant);
  }
  return [...seen.values()];
}
