import { fail, type Progress, Random, SILENT } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import { cloneModel, labelOf, type Model, sizeOf, Tensor } from '../../graph/index.ts';
import { openSession, openStateful } from '../../run/index.ts';
import {
  checkFusion,
  type FusionReport,
  type PassNote,
  type RoundableLayer,
  roundableLayers,
  writeRounded,
} from '../../transform/index.ts';
import { optimizerByName } from '../optimizers/index.ts';
import { type QuantizedStart, quantizedStart } from './begin.ts';
import { type Captured, capture } from './captured.ts';
import { chosen, firstChoice, ROUNDING, roundingJudge, roundingStep, split } from './rounding-graph.ts';

export interface AdaroundOptions extends Omit<QuantizedStart, 'scheme' | 'weights'> {
  /** Samples to set ranges by. Default: 512 of the data. */
  readonly calibration?: Dataset;
  /** Steps a layer. Default 1000, unless `seconds` says how long. */
  readonly iterations?: number;
  /** Time for all layers; no two runs are alike then. */
  readonly seconds?: number;
  /** Samples that layers are looked at on; a quarter of them judges. Default 512. */
  readonly samples?: number;
  /** Samples a step. Default 32. */
  readonly batch?: number;
  /** Default 0.03: thrice the authors', who take ten times the steps. */
  readonly rate?: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What became of the rounding of a layer. Errors are mean squares over samples that it did not learn from. */
export interface RoundedLayer {
  readonly node: string;
  readonly op: string;
  readonly nearest: number;
  readonly learned: number;
  /** Share of the weights that are not rounded to the nearest; 0 where the nearest was kept, being no worse. */
  readonly moved: number;
}

export interface AdaroundResult {
  readonly model: Model;
  /** Post-training quantization with every weight rounded to the nearest. */
  readonly before: Model;
  readonly layers: readonly RoundedLayer[];
  readonly notes: readonly PassNote[];
  readonly fusion: FusionReport;
}

const ITERATIONS = 1000;
const SAMPLES = 512;
const BATCH = 32;
const RATE = 0.03;
/** Bytes that a layer's inputs or targets may take. */
const MOST = 2 ** 28;
/** Share of the steps in which the distance alone counts. */
const FREE = 0.2;
/** The exponent at first and at last. */
const SHARPNESS = { first: 20, last: 2 } as const;
/**
 * Weight of the pressure beside a distance that counts in units of the nearest rounding's: it grows from one to the other,
 * so that layers of any size are decided in the end.
 */
const PRESSURE = { first: 0.1, last: 10 } as const;

/**
 * AdaRound (Nagel et al. 2020): static quantization in which each weight is rounded up or down so that the layer's answers come
 * out right, not the weight. Layer by layer in graph order: inputs are those of the quantized model so far, targets the float
 * model's behind the activation. A layer keeps the nearest rounding where samples apart do not gain. Needs no labels.
 * Throws NOTHING_TO_QUANTIZE, DATA_TOO_FEW, USAGE_BAD_OPTION.
 */
export async function adaround(
  model: Model,
  data: Dataset,
  options: AdaroundOptions = {},
): Promise<AdaroundResult> {
  const { bits = 8, calibration, seed = 0, progress = SILENT, signal, samples = SAMPLES } = options;
  const { iterations, seconds } = options;
  if (iterations !== undefined && seconds !== undefined) {
    throw fail('USAGE_BAD_OPTION', 'iterations and seconds exclude each other');
  }
  if (data.size < 8) throw fail('DATA_TOO_FEW', `${data.name} has ${data.size} samples, rounding takes 8`);
  const began = performance.now();
  const context = { calibration, seed, progress, signal };
  const { float, quantized, numbers } = await quantizedStart(
    model,
    data,
    { bits, static: options.static },
    context,
  );
  const layers = roundableLayers(quantized.model, float, numbers);
  const current = cloneModel(quantized.model);
  const rounded: RoundedLayer[] = [];
  const stage = progress.stage('Rounding', layers.length);
  try {
    for (const [i, layer] of layers.entries()) {
      const label = labelOf(layer.node);
      stage.advance(i === 0 ? 0 : 1, label);
      const limits = { samples, most: MOST, signal };
      const inputs = await capture(current, layer.input, data, limits);
      const targets = await capture(float, layer.target, data, limits);
      // Samples that do not lie along the first axis cannot be told apart.
      if (inputs === undefined || targets === undefined) continue;
      const elapsed = (performance.now() - began) / 1000;
      const time = seconds === undefined ? undefined : Math.max(0, seconds - elapsed) / (layers.length - i);
      const found = await roundLayer(layer, inputs, targets, { ...options, seed: seed + i, time });
      if (found.codes !== undefined) writeRounded(current, layer, found.codes, found.bias);
      rounded.push({ node: label, op: layer.node.op, ...found.report });
    }
  } finally {
    stage.end();
  }
  const why = ({ moved, nearest, learned }: RoundedLayer) =>
    moved === 0
      ? 'the nearest rounding is the best'
      : `${(100 * moved).toFixed(0)} % rounded the other way: error down to ${(learned / nearest).toFixed(2)}`;
  return {
    model: current,
    before: quantized.model,
    layers: rounded,
    notes: [
      ...quantized.notes,
      ...rounded.map((one) => ({ node: one.node, op: one.op, action: 'changed' as const, why: why(one) })),
    ],
    fusion: await checkFusion(current),
  };
}

interface LayerOptions extends AdaroundOptions {
  /** Seconds for this layer. */
  readonly time: number | undefined;
}

interface Found {
  /** The new numbers; undefined where the nearest ones stay. */
  readonly codes: Int8Array | undefined;
  readonly bias?: Float32Array;
  readonly report: Pick<RoundedLayer, 'nearest' | 'learned' | 'moved'>;
}

async function roundLayer(
  layer: RoundableLayer,
  inputs: Captured,
  targets: Captured,
  options: LayerOptions,
): Promise<Found> {
  const count = Math.min(inputs.samples, targets.samples);
  const apart = Math.max(1, count >> 2);
  const learn = count - apart;
  const batch = Math.min(options.batch ?? BATCH, Math.max(1, learn));
  const { whole, rest } = split(layer);
  const codes = (up: ArrayLike<number>) =>
    Int8Array.from(whole, (value, i) => Math.min(layer.high, Math.max(layer.low, value + up[i]!)));
  const nearest = codes(rest.map((part) => (part > 0.5 ? 1 : 0)));
  const judge = await openJudge(layer, inputs, targets, Math.min(batch, apart), options);
  try {
    const [first, end] = [learn, learn + apart];
    const unit = await judge.error(nearest, 0, learn);
    const before = await judge.error(nearest, first, end);
    const none = { codes: undefined, report: { nearest: before, learned: before, moved: 0 } };
    if (!(unit > 0)) return none;
    const choice = await learnChoice(layer, inputs, targets, { ...options, batch, learn, unit });
    const { up, bias } = chosen(layer, choice, unit);
    const learned = codes(up);
    const after = await judge.error(learned, first, end, bias);
    if (!(after < before)) return none;
    const moved = learned.reduce((sum, code, i) => sum + (code === nearest[i] ? 0 : 1), 0) / learned.length;
    return {
      codes: learned,
      bias,
      report: { nearest: before, learned: after, moved },
    };
  } finally {
    await judge.dispose();
  }
}

/** Measures the error of a layer for given numbers, on the samples from `first` to before `end`. */
async function openJudge(
  layer: RoundableLayer,
  inputs: Captured,
  targets: Captured,
  batch: number,
  { threads, signal }: LayerOptions,
) {
  const model = roundingJudge(layer, [batch, ...inputs.dims], [batch, ...targets.dims]);
  const session = await openSession(model, threads === undefined ? {} : { threads });
  const scales = layer.scale.as('float32');
  const inner =
    layer.axis === undefined ? layer.weight.size : sizeOf(layer.weight.dims.slice(layer.axis + 1));
  return {
    async error(codes: Int8Array, first: number, end: number, bias?: Float32Array): Promise<number> {
      const real = Float32Array.from(
        codes,
        (code, i) => code * scales[Math.floor(i / inner) % scales.length]!,
      );
      const weight = Tensor.float32(layer.weight.dims, real);
      const before = layer.bias?.tensor;
      const added = before && (bias ? Tensor.float32(before.dims, bias) : before);
      let [sum, batches] = [0, 0];
      for (let at = first; at + batch <= end; at += batch) {
        const rows = Array.from({ length: batch }, (_, i) => at + i);
        const out = await session.run(
          {
            [ROUNDING.input]: inputs.rows(rows),
            [ROUNDING.target]: targets.rows(rows),
            [ROUNDING.weight]: weight,
            ...(added && { [ROUNDING.bias]: added }),
          },
          { signal },
        );
        sum += out[ROUNDING.error]!.numbers()[0]!;
        batches++;
      }
      return sum / Math.max(1, batches);
    },
    dispose: () => session.dispose(),
  };
}

/** Learns which way to round (positive is up), and the bias. */
async function learnChoice(
  layer: RoundableLayer,
  inputs: Captured,
  targets: Captured,
  options: LayerOptions & { learn: number; unit: number; batch: number },
): Promise<Float32Array> {
  const { batch, learn, unit, time, seed = 0, rate = RATE, threads, signal } = options;
  const step = roundingStep(layer, [batch, ...inputs.dims], [batch, ...targets.dims], unit);
  const adam = optimizerByName('adam');
  const flat = (values: Float32Array) => Tensor.float32([values.length], values);
  const initial: Record<string, Tensor> = { [ROUNDING.choice]: flat(firstChoice(layer)) };
  for (const name of adam.slots) initial[ROUNDING.slot(name)] = flat(new Float32Array(step.size));
  const session = await openStateful(step.model, {
    carry: step.carry,
    initial,
    settings: threads === undefined ? {} : { threads },
  });
  const random = new Random(seed * 1_000_003 + 17);
  const wanted = options.iterations ?? ITERATIONS;
  const started = performance.now();
  const progress = (iteration: number) =>
    time === undefined ? iteration / wanted : (performance.now() - started) / 1000 / Math.max(time, 1e-3);
  try {
    let pending: Promise<unknown> | undefined;
    for (let i = 0, done = 0; done < 1; i++, done = progress(i)) {
      signal?.throwIfAborted();
      const rows = Array.from({ length: batch }, () => random.below(learn));
      const sharp = Math.max(0, (done - FREE) / (1 - FREE));
      const scalars: Record<string, number> = Object.fromEntries(
        Object.entries(adam.scalars(i + 1, rate, {})).map(([name, value]) => [ROUNDING.scalar(name), value]),
      );
      scalars[ROUNDING.pressure] =
        done < FREE ? 0 : PRESSURE.first * (PRESSURE.last / PRESSURE.first) ** sharp;
      scalars[ROUNDING.sharpness] =
        SHARPNESS.last + (SHARPNESS.first - SHARPNESS.last) * 0.5 * (1 + Math.cos(Math.PI * sharp));
      const feeds = {
        [ROUNDING.input]: inputs.rows(rows),
        [ROUNDING.target]: targets.rows(rows),
        ...Object.fromEntries(
          Object.entries(scalars).map(([name, value]) => [name, Tensor.float32([], [value])]),
        ),
      };
      const answer = session.step(feeds, { transfer: true });
      answer.catch(() => {});
      // One step is computed while the next is put together.
      await pending;
      pending = answer;
    }
    await pending;
    return (await session.kept([ROUNDING.choice]))[ROUNDING.choice]!.as('float32');
  } finally {
    await session.dispose();
  }
}
