import { type Progress, SILENT, throwIfAborted } from '../../base/index.ts';
import { type Batch, bind, type Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/index.ts';
import type { Fetches } from '../../run/index.ts';
import { type OrtSession, openSession } from '../../run/index.ts';
import { rangesFrom } from './calibrate/statistics.ts';
import { Distortion } from './distortion.ts';
import {
  placementOf,
  quantizeStatic,
  STATIC_DEFAULTS,
  type StaticOptions,
  shiftsFor,
  statisticsFor,
  withNames,
} from './static.ts';

/** A node that static quantization can run on integers. */
export interface Quantizable {
  readonly name: string;
  readonly op: string;
  /** compute: Conv, Gemm, MatMul. The others follow from these, and go along with them. */
  readonly kind: 'compute' | 'arithmetic' | 'carrier';
}

/** The nodes that static quantization would run on integers, in graph order. */
export function quantizableNodes(model: Model): Quantizable[] {
  const { sites } = placementOf(withNames(model), {});
  return sites.map(({ node, row }) => ({ name: node.name, op: node.op, kind: row.kind }));
}

export interface NodeSensitivity {
  readonly node: string;
  readonly op: string;
  /** dB, of the worst output; small is sensitive. With mode all-but: of all others quantized, so large is sensitive. */
  readonly sqnr: number;
  /** Mean KL divergence of the softmax of the worst output, nats. */
  readonly kl: number;
}

export interface SensitivityOptions {
  /** How the model is to be quantized. */
  readonly quantization?: Partial<StaticOptions>;
  /** only: each node alone is quantized. all-but: all are, except the node. Default only. */
  readonly mode?: 'only' | 'all-but';
  /** Only these nodes. Default: all Conv, Gemm and MatMul that can be quantized. */
  readonly nodes?: readonly string[];
  /** Samples that the outputs are compared on: the first so many. Default 64. */
  readonly samples?: number;
  readonly batch?: number;
  readonly by?: 'sqnr' | 'kl';
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * Ranks nodes by how much their quantization disturbs the outputs, the most sensitive first: the order in which an accuracy search
 * takes them back to float. One float pass gives the reference outputs, which are kept; then one short session a node.
 * Throws what calibration and running throw.
 */
export async function rankSensitivity(
  model: Model,
  dataset: Dataset,
  options: SensitivityOptions = {},
): Promise<NodeSensitivity[]> {
  const { mode = 'only', samples = 64, batch = 32, by = 'sqnr', progress = SILENT, signal } = options;
  const named = withNames(model);
  const settings: StaticOptions = { ...STATIC_DEFAULTS, ...options.quantization };
  const all = placementOf(named, settings).sites.filter(({ row }) => row.kind === 'compute');
  const wanted = options.nodes === undefined ? undefined : new Set(options.nodes);
  const nodes = all.map(({ node }) => node).filter(({ name }) => wanted === undefined || wanted.has(name));
  const statistics =
    settings.statistics ??
    (await statisticsFor(model, named, settings.batch, { calibration: dataset, progress, signal, seed: 0 }));
  const ranges = rangesFrom(statistics, settings.method, settings);
  const whole = placementOf(named, settings);
  const shifts = await shiftsFor(named, whole, ranges, settings, {
    calibration: dataset,
    progress,
    signal,
    seed: 0,
  });
  const reference = await openSession(named);
  const batches: { batch: Batch; outputs: Fetches }[] = [];
  const compared = reference.outputs.filter(({ dtype }) => dtype === 'float32').map(({ name }) => name);
  try {
    const indices = Array.from({ length: Math.min(samples, dataset.size) }, (_, i) => i);
    for await (const part of bind(dataset, reference.inputs, { batch, indices, signal })) {
      batches.push({ batch: part, outputs: await reference.run(part.feeds, { outputs: compared, signal }) });
    }
  } finally {
    await reference.dispose();
  }
  const stage = progress.stage('sensitivity', nodes.length);
  const ranked: NodeSensitivity[] = [];
  try {
    for (const { name, op } of nodes) {
      throwIfAborted(signal);
      const selection =
        mode === 'only'
          ? { ...settings, only: [name] }
          : { ...settings, exclude: [...(settings.exclude ?? []), name] };
      const placement = placementOf(named, selection);
      const session = await openSession(quantizeStatic(named, placement, ranges, settings, shifts));
      try {
        ranked.push({ node: name, op, ...(await worst(session, compared, batches, signal)) });
      } finally {
        await session.dispose();
      }
      stage.advance(1, name);
    }
  } finally {
    stage.end();
  }
  const order = mode === 'only' ? 1 : -1;
  return ranked.sort((a, b) => order * (by === 'sqnr' ? a.sqnr - b.sqnr : b.kl - a.kl));
}

async function worst(
  session: OrtSession,
  compared: readonly string[],
  batches: readonly { batch: Batch; outputs: Fetches }[],
  signal: AbortSignal | undefined,
): Promise<{ sqnr: number; kl: number }> {
  const sums = new Map(compared.map((name) => [name, new Distortion()]));
  for (const { batch, outputs } of batches) {
    const got = await session.run(batch.feeds, { outputs: compared, signal });
    for (const name of compared) sums.get(name)!.add(outputs[name]!, got[name]!);
  }
  let result = { sqnr: Number.POSITIVE_INFINITY, kl: 0 };
  for (const { sqnr, kl } of sums.values()) {
    result = { sqnr: Math.min(result.sqnr, sqnr), kl: Math.max(result.kl, kl) };
  }
  return result;
}
