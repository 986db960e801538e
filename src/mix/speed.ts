import { type Progress, SILENT, throwIfAborted } from '../base/index.ts';
import { bind, type Dataset, fingerprint } from '../data/index.ts';
import type { Model } from '../graph/index.ts';
import {
  describeMachine,
  type Feeds,
  type NodeTime,
  openSession,
  profileNodes,
  type SessionSettings,
} from '../run/index.ts';
import { type MixLayer, originOf, type Precision, withNames } from '../transform/index.ts';
import { type KeepOptions, kept } from './kept.ts';
import { modelHash } from './model-hash.ts';
import { ownersOf } from './owners.ts';
import type { Variant } from './variant.ts';

/** Time of a layer, with the light nodes that go along with it and the conversions at its edges. */
export interface LayerSpeed {
  readonly layer: string;
  readonly op: string;
  readonly precision: Precision;
  /** Per run of the whole model, from the runtime's profiler: median over the rounds. */
  readonly microseconds: number;
}

export interface SpeedOptions extends KeepOptions {
  /** Provider, threads, level: what is fast depends on them. */
  readonly settings?: Partial<SessionSettings>;
  /** Samples a run. Default 1. */
  readonly batch?: number;
  /** Rounds in which the variants take turns. Default 5. */
  readonly rounds?: number;
  /** Profiled runs of each variant in a round. Default 15. */
  readonly runs?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/** What was measured of all layers, and of the conversions between them. */
export interface Speeds {
  readonly layers: readonly LayerSpeed[];
  /** Microseconds of all layers of the alternating variant together; undefined where there is none. */
  readonly alternating?: number;
}

/**
 * Times every layer in every precision in the running graph: the variants, each the whole model in one precision where it can be, take
 * turns under the runtime's profiler. A layer has a time for the precisions that it really runs in. `alternating` changes its precision
 * from layer to layer, which shows what conversions cost. Kept on the disk by model, machine, versions and settings. Throws what
 * profiling throws.
 */
export async function measureSpeed(
  model: Model,
  layers: readonly MixLayer[],
  variants: readonly Variant[],
  data: Dataset,
  options: SpeedOptions & { readonly alternating?: Variant } = {},
): Promise<Speeds> {
  const { settings = {}, batch = 1, rounds = 5, runs = 15, cache, alternating, signal } = options;
  const key = {
    models: [
      modelHash(model),
      ...[...variants, alternating].map((variant) => variant && modelHash(variant.model)),
    ],
    data: await fingerprint(data, signal),
    machine: describeMachine().id,
    layers: layers.map(({ nodes }) => nodes),
    settings: { ...settings, batch, rounds, runs },
  };
  const fits = (value: unknown): value is Speeds => {
    const layers: unknown = (value as Partial<Speeds> | undefined)?.layers;
    return Array.isArray(layers) && layers.every((one) => Number.isFinite(one?.microseconds));
  };
  const measure = async (): Promise<Speeds> => {
    const all = alternating === undefined ? variants : [...variants, alternating];
    const seen = await profileAll(model, layers, all, data, options);
    const total = alternating && median(sumsByRound([...seen.at(-1)!.values()]));
    return { layers: speedsOf(layers, variants, seen), ...(total !== undefined && { alternating: total }) };
  };
  return kept('speed', key, fits, measure, { cache });
}

async function profileAll(
  model: Model,
  layers: readonly MixLayer[],
  variants: readonly Variant[],
  data: Dataset,
  { settings, batch = 1, rounds = 5, runs = 15, progress = SILENT, signal }: SpeedOptions,
): Promise<Map<MixLayer, number[]>[]> {
  const owners = ownersOf(withNames(model), layers);
  const feeds = await firstFeeds(variants[0]!.model, data, batch, signal);
  const stage = progress.stage('speed of layers', rounds * variants.length);
  const seen = variants.map(() => new Map<MixLayer, number[]>());
  try {
    for (let round = 0; round < rounds; round++) {
      // Back and forth, so that a steady drift cancels.
      const order = [...variants.keys()];
      for (const which of round % 2 === 0 ? order : order.reverse()) {
        throwIfAborted(signal);
        const times = await profileNodes(variants[which]!.model, feeds, settings, { runs, signal });
        for (const [layer, time] of sumsOf(times, owners)) {
          const known = seen[which]!.get(layer);
          if (known === undefined) seen[which]!.set(layer, [time]);
          else known.push(time);
        }
        stage.advance();
      }
    }
    return seen;
  } finally {
    stage.end();
  }
}

function sumsByRound(times: readonly (readonly number[])[]): number[] {
  const rounds = Math.max(0, ...times.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) => times.reduce((sum, own) => sum + (own[round] ?? 0), 0));
}

function speedsOf(
  layers: readonly MixLayer[],
  variants: readonly Variant[],
  seen: readonly ReadonlyMap<MixLayer, readonly number[]>[],
): LayerSpeed[] {
  const found: LayerSpeed[] = [];
  for (const layer of layers) {
    for (const [i, variant] of variants.entries()) {
      for (const precision of new Set(layer.nodes.map((name) => variant.effective[name] ?? 'fp32'))) {
        // What an 8-bit model leaves in float is timed in the float one.
        if (precision !== variant.precision) continue;
        const times = seen[i]!.get(layer) ?? [];
        found.push({ layer: layer.id, op: layer.op, precision, microseconds: median(times) });
      }
    }
  }
  return found;
}

/** A few batches of the first samples, as a model takes them. */
export async function firstFeeds(
  model: Model,
  data: Dataset,
  batch: number,
  signal?: AbortSignal,
): Promise<Feeds[]> {
  const session = await openSession(model, { threads: 1 });
  await session.dispose();
  const feeds: Feeds[] = [];
  for await (const part of bind(data, session.inputs, { batch, signal })) {
    feeds.push(part.feeds);
    if (feeds.length === DISTINCT) break;
  }
  return feeds;
}

/** Different inputs that a run goes round: a cache sees more than one. */
const DISTINCT = 4;

/** Microseconds by layer. What the runtime adds for itself and no layer claims is left out: it is in all variants. */
function sumsOf(times: readonly NodeTime[], owners: ReadonlyMap<string, MixLayer>): Map<MixLayer, number> {
  const sums = new Map<MixLayer, number>();
  for (const { name, microseconds } of times) {
    const layer = originOf(plainName(name), owners);
    if (layer !== undefined) sums.set(layer, (sums.get(layer) ?? 0) + microseconds);
  }
  return sums;
}

/** "relu_out:Q", "relu_out:DQ_token_3" and "relu_out_fp16:Cast" are conversions of the value relu_out. */
function plainName(executed: string): string {
  return executed.replace(/(_token_\d+)+$/, '').replace(/:(Q|DQ)$|(_fp16(_\d+)?)?:Cast$/, '');
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
