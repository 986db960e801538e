import { ModicumError, type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, fingerprint } from '../data/index.ts';
import { cloneModel, inferShapes, type Model, tensorType } from '../graph/index.ts';
import { type Fetches, type OrtSession, openSession } from '../run/index.ts';
import {
  Distortion,
  halfMaxima,
  MIXED_DEFAULTS,
  type MixedOptions,
  type MixLayer,
  mixedPrecision,
  mixLayers,
  type PassContext,
  type Precision,
  prepareStatic,
  STATIC_DEFAULTS,
  withNames,
} from '../transform/index.ts';
import { type KeepOptions, kept } from './kept.ts';
import { modelHash } from './model-hash.ts';
import { type Suffix, suffixOf } from './suffix.ts';

/** What a layer in another precision does to the outputs. */
export interface LayerSensitivity {
  /** Id of the layer: the name of its first node. */
  readonly layer: string;
  readonly op: string;
  readonly precision: Precision;
  /** dB, of the worst output; small is sensitive. With mode all-but: of all others in it, so large is sensitive. */
  readonly sqnr: number;
  /** Mean KL divergence of the worst output, nats. */
  readonly kl: number;
  /** What is to be summed up over layers: divergence or noise power over all outputs. Infinity where the layer cannot be had so. */
  readonly harm: number;
  /** Why it cannot. */
  readonly why?: string;
}

export interface SensitivityOptions extends KeepOptions {
  /** Default: mixLayers. */
  readonly layers?: readonly MixLayer[];
  /** Default int8. fp32 is the reference, and harms nothing. */
  readonly precisions?: readonly Precision[];
  /** only: each layer alone is in the precision. all-but: all that can are, except the layer. Default only. */
  readonly mode?: 'only' | 'all-but';
  /**
   * How outputs are compared: 'kl' by the divergence of their distributions (of `output`, or of all with classes) and a thousandth of
   * the noise, and what has no classes by noise; 'noise' by the power of the noise over that of the signal. Default noise.
   */
  readonly by?: 'kl' | 'noise';
  readonly output?: string;
  /** Samples that the outputs are compared on, spread over the data. Default 256. */
  readonly samples?: number;
  readonly batch?: number;
  /** Sets the ranges of int8. Default: the data itself. */
  readonly calibration?: Dataset;
  readonly passes?: Partial<Pick<MixedOptions, 'static' | 'weights' | 'half'>>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** Distributions that are sure of a class hardly move whatever is done to the scores: then this much of the noise tells layers apart. */
const NOISE_SHARE = 1e-3;
/** Sessions that are open at the same time. */
const TOGETHER = 8;
/** Each on one thread that does not spin: they take turns on the same cores. */
const QUIET = { threads: 1, allowSpinning: false } as const;

/**
 * How much each layer in each precision disturbs the outputs, on a few hundred samples. Cheap: the reference runs once for some layers
 * together, and of a changed model only what the layer can reach, on values that the reference kept. Kept on the disk by model, data and
 * settings. In the order of layers, then of precisions. Throws what calibrating, binding and running throw.
 */
export async function measureSensitivity(
  model: Model,
  data: Dataset,
  options: SensitivityOptions = {},
): Promise<LayerSensitivity[]> {
  const { layers = mixLayers(model), precisions = ['int8'], mode = 'only', signal } = options;
  const { by = 'noise', output, samples = 256, batch = 32, calibration = data, passes = {}, cache } = options;
  const { statistics: _, shifts: __, ...statics } = passes.static ?? {};
  const key = {
    model: modelHash(model),
    data: [await fingerprint(data, signal), await fingerprint(calibration, signal)],
    layers: layers.map(({ nodes }) => nodes),
    settings: { precisions, mode, by, output, samples, batch, statics, weights: passes.weights },
    half: { largest: passes.half?.largest, longestSum: passes.half?.longestSum },
  };
  const fits = (value: unknown): value is Written[] =>
    Array.isArray(value) && value.every((one) => typeof one?.layer === 'string' && 'harm' in one);
  const run = new Ranking(model, data, {
    ...options,
    layers,
    precisions,
    mode,
    by,
    samples,
    batch,
    calibration,
  });
  const measure = async () => (await run.go()).map(written);
  return (await kept('sensitivity', key, fits, measure, { cache })).map(read);
}

/** JSON knows no infinity. */
type Written = Omit<LayerSensitivity, 'sqnr' | 'kl' | 'harm'> &
  Record<'sqnr' | 'kl' | 'harm', number | string>;
const written = (one: LayerSensitivity): Written => ({
  ...one,
  sqnr: String(one.sqnr),
  kl: String(one.kl),
  harm: String(one.harm),
});
const read = (one: Written): LayerSensitivity => ({
  ...one,
  sqnr: Number(one.sqnr),
  kl: Number(one.kl),
  harm: Number(one.harm),
});

/** One layer in one precision, and the model that shows what that does. */
interface Trial {
  readonly layer: MixLayer;
  readonly precision: Precision;
  readonly suffix: Suffix;
  readonly model: Model;
}

type Filled = SensitivityOptions &
  Required<
    Pick<SensitivityOptions, 'layers' | 'precisions' | 'mode' | 'by' | 'samples' | 'batch' | 'calibration'>
  >;

class Ranking {
  readonly #named: Model;
  readonly #data: Dataset;
  readonly #o: Filled;
  readonly #types: ReturnType<typeof inferShapes>;

  constructor(model: Model, data: Dataset, options: Filled) {
    this.#named = withNames(model);
    this.#data = data;
    this.#o = options;
    this.#types = inferShapes(this.#named, { strict: false });
  }

  async go(): Promise<LayerSensitivity[]> {
    const { layers, precisions, progress = SILENT, signal } = this.#o;
    const results: LayerSensitivity[] = [];
    const stage = progress.stage('sensitivity', layers.length * precisions.length);
    const passes = await this.#prepared();
    let waiting: { trial: Trial; at: number }[] = [];
    const flush = async () => {
      for (const { at, found } of await this.#compare(waiting)) results[at] = found;
      stage.advance(waiting.length);
      waiting = [];
    };
    try {
      for (const layer of layers) {
        for (const precision of precisions) {
          throwIfAborted(signal);
          if (precision === 'fp32') {
            results.push(harmless(layer, precision));
            stage.advance();
            continue;
          }
          const trial = await this.#trial(layer, precision, passes);
          const at = results.length;
          results.push(harmless(layer, precision, typeof trial === 'string' ? trial : undefined));
          if (typeof trial === 'string') stage.advance();
          else waiting.push({ trial, at });
          if (waiting.length === TOGETHER) await flush();
        }
      }
      await flush();
      return results;
    } finally {
      stage.end();
    }
  }

  /** Options of the passes that need no data any more. */
  async #prepared(): Promise<Pick<MixedOptions, 'static' | 'weights' | 'half'>> {
    const { precisions, passes = {}, calibration, progress = SILENT, signal } = this.#o;
    const context: PassContext = { progress, signal, seed: 0, calibration };
    const statics = { ...STATIC_DEFAULTS, ...passes.static };
    const layers = this.#o.layers.some((layer) => layer.precisions.includes('int8'));
    const counted =
      precisions.includes('int8') && layers ? await prepareStatic(this.#named, statics, context) : {};
    const maxima = precisions.includes('fp16') ? await halfMaxima(this.#named, context) : undefined;
    return {
      static: { ...passes.static, ...counted },
      weights: passes.weights ?? {},
      half: { maxima, ...passes.half },
    };
  }

  /** The changed model, or why there is none. */
  async #trial(
    layer: MixLayer,
    precision: Precision,
    passes: Pick<MixedOptions, 'static' | 'weights' | 'half'>,
  ): Promise<Trial | string> {
    const { layers, mode, signal } = this.#o;
    if (!layer.precisions.includes(precision)) return `no ${precision} for this ${layer.op}`;
    const changed =
      mode === 'only'
        ? layer.nodes
        : layers
            .filter((one) => one !== layer && one.precisions.includes(precision))
            .flatMap(({ nodes }) => nodes);
    const whole: Suffix = {
      model: this.#named,
      inputs: this.#named.graph.inputs.map(({ name }) => name),
      outputs: this.#named.graph.outputs.map(({ name }) => name),
    };
    const types = {
      shape: (name: string) => this.#types.get(name)?.shape,
      dtype: (name: string) => this.#types.get(name)?.dtype,
    };
    const suffix = (mode === 'only' ? suffixOf(this.#named, layer.nodes, types) : undefined) ?? whole;
    const assignment = Object.fromEntries(changed.map((name) => [name, precision]));
    try {
      const made = await mixedPrecision.apply(
        suffix.model,
        { ...MIXED_DEFAULTS, ...passes, assignment, check: false },
        { progress: SILENT, signal, seed: 0 },
      );
      const refused = made.notes.find(
        ({ action, node }) => action === 'refused' && layer.nodes.includes(node),
      );
      if (mode === 'only' && refused !== undefined) return refused.why;
      return { layer, precision, suffix, model: made.model };
    } catch (cause) {
      if (cause instanceof ModicumError && cause.code === 'NOTHING_TO_QUANTIZE') return cause.message;
      throw cause;
    }
  }

  /** Runs the reference, and on its values the changed parts. */
  async #compare(
    waiting: readonly { readonly trial: Trial; readonly at: number }[],
  ): Promise<{ at: number; found: LayerSensitivity }[]> {
    if (waiting.length === 0) return [];
    const { samples, batch, signal } = this.#o;
    const { size } = this.#data;
    const count = Math.min(samples, size);
    const indices = Array.from({ length: count }, (_, i) => Math.floor((i * size) / count));
    const compared = this.#named.graph.outputs
      .map(({ name }) => name)
      .filter((name) => this.#types.get(name)?.dtype === 'float32');
    const cut = new Set(waiting.flatMap(({ trial }) => trial.suffix.inputs));
    const inputs = new Set(this.#named.graph.inputs.map(({ name }) => name));
    const inner = [...cut].filter((name) => !inputs.has(name));
    const sessions: OrtSession[] = [];
    try {
      const reference = await openSession(this.#exposed(inner), QUIET);
      sessions.push(reference);
      const open = [];
      for (const { trial, at } of waiting) {
        const session = await openSession(trial.model, QUIET);
        sessions.push(session);
        const outputs = compared.filter((name) => trial.suffix.outputs.includes(name));
        open.push({ trial, at, session, sums: new Map(outputs.map((name) => [name, new Distortion()])) });
      }
      for await (const part of bind(this.#data, reference.inputs, { batch, indices, signal })) {
        const values = await reference.run(part.feeds, {
          outputs: [...new Set([...compared, ...inner])],
          signal,
        });
        await Promise.all(
          open.map(async ({ session, sums }) => {
            if (sums.size === 0) return;
            const feeds = Object.fromEntries(
              session.inputs.map(({ name }) => [name, part.feeds[name] ?? values[name]!]),
            );
            const got: Fetches = await session.run(feeds, { outputs: [...sums.keys()], signal });
            for (const [name, sum] of sums) sum.add(values[name]!, got[name]!);
          }),
        );
      }
      return open.map(({ trial, at, sums }) => ({ at, found: this.#sumUp(trial, sums) }));
    } finally {
      await Promise.all(sessions.map((session) => session.dispose()));
    }
  }

  /** The reference with the values at the cuts among its outputs. */
  #exposed(inner: readonly string[]): Model {
    const model = cloneModel(this.#named);
    const known = new Set(model.graph.outputs.map(({ name }) => name));
    for (const name of inner) {
      if (known.has(name)) continue;
      model.graph.outputs.push({ name, type: tensorType(this.#types.get(name)!.dtype!, undefined) });
    }
    return model;
  }

  #sumUp({ layer, precision }: Trial, sums: ReadonlyMap<string, Distortion>): LayerSensitivity {
    const { by, output } = this.#o;
    let [sqnr, kl, harm] = [Number.POSITIVE_INFINITY, 0, 0];
    for (const [name, sum] of sums) {
      sqnr = Math.min(sqnr, sum.sqnr);
      kl = Math.max(kl, sum.kl);
      const classes = by === 'kl' && sum.classes && (output === undefined || output === name);
      harm += classes ? sum.kl + NOISE_SHARE * sum.noise : sum.noise;
    }
    return { layer: layer.id, op: layer.op, precision, sqnr, kl, harm };
  }
}

/** What stands for a layer until it is measured, or for good where it cannot be had. */
function harmless(layer: MixLayer, precision: Precision, why?: string): LayerSensitivity {
  const base = { layer: layer.id, op: layer.op, precision, sqnr: Number.POSITIVE_INFINITY, kl: 0 };
  return why === undefined ? { ...base, harm: 0 } : { ...base, harm: Number.POSITIVE_INFINITY, why };
}
