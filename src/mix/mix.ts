import { fail, ModicumError, SILENT, throwIfAborted } from '../base/index.ts';
import { type Dataset, split } from '../data/index.ts';
import { assertValid, type Model } from '../graph/index.ts';
import type { Evaluation, Measurement, Metric } from '../measure/index.ts';
import { probeProviders } from '../run/index.ts';
import {
  cleanUp,
  freeBatch,
  halfMaxima,
  type MixLayer,
  mixLayers,
  type PassContext,
  type Precision,
  prepareStatic,
  STATIC_DEFAULTS,
  withNames,
} from '../transform/index.ts';
import { type RatedLayer, rateLayers } from './choices.ts';
import { conversionTime, crossingsOf } from './crossings.ts';
import { type Decision, decide } from './decide.ts';
import { MixJudge } from './judge.ts';
import { type MixOptions, type MixParts, type Settled, settle } from './options.ts';
import { pickAssignments } from './pick.ts';
import type { Conversions } from './polish.ts';
import { measureSensitivity } from './sensitivity.ts';
import { firstFeeds, measureSpeed, type Speeds } from './speed.ts';
import { makeVariant, uniformVariant, type Variant } from './variant.ts';

export interface MixResult extends Decision {
  readonly layers: readonly RatedLayer[];
  readonly variants: readonly Variant[];
  readonly metric: Metric;
  /** The model as given on the held-out part. */
  readonly baseline: Evaluation;
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
/** Conversions that seem to take longer than this many times what is assumed were disturbed. */
const LARGEST_SCALE = 20;

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
  let settled = settle(options);
  assertValid(given);
  const unavailable: MixResult['unavailable'][number][] = [];
  const { seed, provider, signal } = settled;
  if (provider !== 'cpu') {
    const [report] = await probeProviders({ providers: [provider] });
    if (!report?.available)
      throw fail('PROVIDER_UNAVAILABLE', `${provider}: ${report?.reason ?? 'it does not start'}`);
    if (report.float16 === false && settled.precisions.includes('fp16')) {
      unavailable.push({ precision: 'fp16', why: `the GPU under ${provider} does not compute in float16` });
      settled = { ...settled, precisions: settled.precisions.filter((one) => one !== 'fp16') };
    }
  }
  const divided = settled.parts === undefined ? await split(data, { seed, signal }) : undefined;
  const parts = settled.parts ?? divided!;
  const mixer = new Mixer(given, parts, settled, unavailable);
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
  readonly #unavailable: { precision: Precision; why: string }[];

  constructor(
    given: Model,
    parts: MixParts,
    options: Settled,
    unavailable: { precision: Precision; why: string }[],
  ) {
    this.#unavailable = unavailable;
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
    const model = await this.#cleaned();
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
    const alternating = await this.#alternating(model, layers, passes);
    const timed = { cache, batch, settings, progress, signal, ...(alternating && { alternating }) };
    const speeds = await measureSpeed(model, layers, uniforms, this.#parts.calibration, timed);
    const rated = rateLayers(layers, precisions, sensitivities, speeds.layers, minimize);
    const conversions = await this.#conversions(model, layers, speeds, alternating);
    for (const uniform of uniforms) await this.#tune(uniform);
    const built = await pickAssignments(
      rated,
      async (title, precisionOf) => {
        const made = await makeVariant(title, model, layers, precisionOf, passes, this.#context);
        await this.#tune(made);
        return made;
      },
      { maxDrop, candidates, conversions, signal },
    );
    const variants = distinct([...uniforms, ...built]);
    const decided = await decide(variants, this.judge, this.#o);
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

  /** Cleaned, and for batches with a batch that is free, where that is proven right. */
  async #cleaned(): Promise<Model> {
    const { model } = await cleanUp.apply(this.#given, cleanUp.defaults, this.#context);
    if (this.#o.batch === 1) return model;
    return (await freeBatch.apply(model, freeBatch.defaults, this.#context)).model;
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

  /** Every other layer in a precision whose activations are of another type: to see what conversions cost. */
  async #alternating(
    model: Model,
    layers: readonly MixLayer[],
    passes: NonNullable<Settled['passes']>,
  ): Promise<Variant | undefined> {
    const { precisions, minimize } = this.#o;
    if (minimize === 'size') return undefined;
    for (const precision of ['int8', 'fp16'] as const) {
      const able = layers.filter((layer) => layer.precisions.includes(precision));
      if (!precisions.includes(precision) || able.length < 3) continue;
      const of = (layer: MixLayer) => (able.indexOf(layer) % 2 === 1 ? precision : 'fp32');
      return makeVariant('alternating', model, layers, of, passes, this.#context);
    }
    return undefined;
  }

  /** Conversions between layers: their sizes, and how their time on this machine compares with what is assumed. */
  async #conversions(
    model: Model,
    layers: readonly MixLayer[],
    speeds: Speeds,
    alternating: Variant | undefined,
  ): Promise<Conversions> {
    const { batch, signal } = this.#o;
    if (alternating === undefined || speeds.alternating === undefined) return { crossings: [], scale: 0 };
    const [feeds = {}] = await firstFeeds(model, this.#parts.calibration, batch, signal);
    const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
    const crossings = crossingsOf(withNames(model), layers, shapes);
    const precisionOf = (id: string) => alternating.effective[id] ?? 'fp32';
    const assumed = conversionTime(crossings, precisionOf);
    let apart = 0;
    for (const { id } of layers) {
      const own = speeds.layers.find(({ layer, precision }) => layer === id && precision === precisionOf(id));
      apart += own?.microseconds ?? 0;
    }
    const scale = assumed > 0 ? (speeds.alternating - apart) / assumed : 0;
    return { crossings, scale: Math.min(LARGEST_SCALE, Math.max(0, scale)) };
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
