import { fail } from '../../base/index.ts';
import { constantOf, type Model, removeDead, sortNodes, Tensor } from '../../graph/index.ts';
import type { DeclaredError, Pass, PassContext, PassNote, PassResult } from '../pass.ts';
import { blockedValues, quantizeBlocks } from './blocks.ts';
import { applyFactors, type ChannelGroup, channelGroups, factorsInWords } from './channel-factors.ts';
import { centred, type GptqOptions, gptqQuantization, roundOnData, WIDEST } from './gptq.ts';
import type { Gram } from './gram.ts';
import { LayerError } from './layer-error.ts';
import { type Activations, streamLayers } from './layer-stream.ts';
import type { LinearLayer } from './linear-layers.ts';
import { excluder } from './selection.ts';
import { withNames } from './static.ts';
import { requireBlockSize, WEIGHT_ONLY_DEFAULTS, type WeightOnlyOptions } from './weight-only.ts';

/** How the weights will be rounded, and: */
export interface AwqOptions
  extends WeightOnlyOptions,
    Pick<GptqOptions, 'batch' | 'samples' | 'meanCorrection'> {
  /** pays: where nothing can take the factors, a Mul of its own where it saves 3 dB; never: such values stay as they are. */
  readonly explicit: 'pays' | 'never';
}

const DEFAULTS: AwqOptions = {
  ...WEIGHT_ONLY_DEFAULTS,
  explicit: 'never',
  batch: 16,
  samples: 128,
  meanCorrection: true,
};

/** What factors must save of the error of the outputs, in dB: anything worth a note, and the price of a Mul. */
const WORTH = 0.1;
const WORTH_A_MUL = 3;

/**
 * Activation-aware scaling (AWQ: Lin et al., "Activation-aware Weight Quantization", 2023): the weights that multiply large channels
 * matter most, so they are multiplied by s_j = (root mean square of channel j)^alpha, which makes their rounding errors smaller by as much,
 * and the channel is divided by s_j where it is made. For each value the alpha is taken with which the outputs of its layers, rounded
 * as the options say, lose least on the calibration data (the paper's s_j is of the mean size; its search is the same).
 * Changes nothing in float; the rounding is another pass's.
 */
export const awqScaling: Pass<AwqOptions> = {
  name: 'scale-awq',
  summary: 'makes the weights of large activations larger, so that 4 bits lose less (AWQ); measured on data',
  defaults: DEFAULTS,
  error: (): DeclaredError => ({
    kind: 'bounded',
    atol: 1e-5,
    rtol: 1e-3,
    why: 'weights are multiplied ahead of time what activations were at run time',
  }),
  async apply(model: Model, options: AwqOptions, context: PassContext): Promise<PassResult> {
    requireBlockSize(options);
    const { calibration, progress, signal } = context;
    if (calibration === undefined) throw fail('CALIBRATION_NEEDED', 'the pass got no data');
    const named = withNames(model);
    const heavy = named.graph.nodes.filter(({ op, domain }) => domain === '' && HEAVY.has(op));
    const excluded = excluder(options, heavy);
    const groups = channelGroups(named, options.least, (node) => excluded(node) === undefined);
    const notes: PassNote[] = [];
    const open = groups.filter((group) => {
      const why = group.channels > WIDEST ? `wider than ${WIDEST} channels` : group.absorber;
      if (typeof why !== 'string' || (options.explicit === 'pays' && why === group.absorber)) return true;
      notes.push(...notesOf(group, 'refused', why));
      return false;
    });
    const waiting = new Map(open.map((group) => [group.value, group]));
    const layers = open.flatMap((group) => group.layers);
    let modified = false;
    const { batch, samples } = options;
    await streamLayers(
      named,
      layers,
      calibration,
      async ({ input }, activations, gram) => {
        const group = waiting.get(input);
        if (group === undefined) return undefined;
        waiting.delete(input);
        const found = await bestFactors(named, group, activations, gram, options, signal);
        const needed = typeof group.absorber === 'string' ? WORTH_A_MUL : WORTH;
        if (!(found.saved >= needed)) {
          notes.push(
            ...notesOf(group, 'refused', `saves ${found.saved.toFixed(1)} dB of ${needed} at least`),
          );
          return undefined;
        }
        applyFactors(named, group, found.factors);
        modified = true;
        const why = `${factorsInWords(group, found.factors)}, alpha ${found.alpha}: outputs lose ${found.saved.toFixed(1)} dB less`;
        notes.push(...notesOf(group, 'changed', why));
        return undefined;
      },
      { batch, samples, progress, signal },
    );
    if (!modified) return { model, modified, notes };
    removeDead(named.graph);
    sortNodes(named.graph);
    return { model: named, modified, notes };
  },
};

const HEAVY: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'Conv']);

/** Activation-aware scaling, then the weights in blocks by the search of scales; what that takes from the means of outputs is added back. */
export const awqQuantization: Pass<AwqOptions> = {
  name: 'quantize-awq',
  summary: 'weights in 4 bits by blocks, those of large activations scaled up first (AWQ); measured on data',
  defaults: DEFAULTS,
  error: ({ bits }): DeclaredError => ({ kind: 'lossy', why: `weights are rounded to ${bits} bits` }),
  async apply(model: Model, options: AwqOptions, context: PassContext): Promise<PassResult> {
    const scaled = await awqScaling.apply(model, options, context);
    const rounding = { ...gptqQuantization.defaults, ...options };
    const result = await roundOnData(scaled.model, rounding, context, 'nearest');
    const moved = new Map(
      scaled.notes.map(({ node, action, why }) => [node, action === 'changed' ? why : '']),
    );
    const notes = result.notes.map((note) => {
      const more = moved.get(note.node);
      return more && note.action === 'changed' ? { ...note, why: `${note.why}; ${more}` } : note;
    });
    return { ...result, notes };
  },
};

function notesOf({ layers }: ChannelGroup, action: PassNote['action'], why: string): PassNote[] {
  return layers.map(({ node }) => ({ node: node.name, op: node.op, action, why }));
}

interface Factors {
  readonly alpha: number;
  readonly factors: readonly number[];
  /** dB. */
  readonly saved: number;
}

/** Tries alpha in tenths, then the halves about the best. */
async function bestFactors(
  model: Model,
  group: ChannelGroup,
  seen: Activations,
  gram: Gram,
  options: AwqOptions,
  signal: AbortSignal | undefined,
): Promise<Factors> {
  const h = options.meanCorrection ? centred(seen) : seen.gram;
  const measured = await Promise.all(
    group.layers.map(async (layer) => {
      const now = { ...layer, tensor: constantOf(model.graph, layer.node.inputs[1]!)! };
      const error = new LayerError(gram, h, now, signal);
      return { layer: now, error, energy: await error.energy() };
    }),
  );
  const lost = async (factors: readonly number[]) => {
    let sum = 0;
    for (const { layer, error, energy } of measured) {
      signal?.throwIfAborted();
      if (energy > 0) sum += (await error.lost(roundedWith(layer, factors, options))) / energy;
    }
    return sum;
  };
  const plain = await lost(new Array<number>(group.channels).fill(1));
  let best: Factors = { alpha: 0, factors: [], saved: 0 };
  const attempt = async (alpha: number) => {
    const factors = factorsOf(h, seen.rows, group.channels, alpha);
    const saved = 10 * Math.log10(plain / (await lost(factors)));
    if (saved > best.saved) best = { alpha, factors, saved };
  };
  for (let tenth = 1; tenth <= 10; tenth++) await attempt(tenth / 10);
  const middle = Math.round(best.alpha * 20);
  for (const step of [middle - 1, middle + 1]) if (step > 0 && step <= 20) await attempt(step / 20);
  return best;
}

/** Channels below this share of the largest count as if they had it: their weights matter to nothing. */
const FAINT = 1e-4;

/** (Root mean square)^alpha of each channel, less its mean where that is corrected, about 1 in the middle of the largest and the smallest. */
function factorsOf(h: Float64Array, rows: number, channels: number, alpha: number): number[] {
  const sizes = Array.from({ length: channels }, (_, j) =>
    Math.sqrt(h[j * channels + j]! / Math.max(1, rows)),
  );
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  if (!(largest > 0) || !Number.isFinite(largest)) return sizes.map(() => 1);
  const powers = sizes.map((size) => Math.max(size, FAINT * largest) ** alpha);
  const smallest = powers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const middle = Math.sqrt(smallest * largest ** alpha);
  return powers.map((power) => power / middle);
}

/** The weight [k, n] that a layer would multiply with: scaled, rounded, scaled back. */
function roundedWith(
  { tensor, transposed, k, n }: LinearLayer,
  factors: readonly number[],
  options: AwqOptions,
): Tensor {
  const scaled = tensor
    .as('float32')
    .map((value, i) => value * factors[transposed ? i % k : Math.floor(i / n)]!);
  const made = quantizeBlocks(Tensor.float32(tensor.dims, scaled), transposed, options);
  const back = blockedValues(made, false, options.bits).as('float32');
  return Tensor.float32(
    [k, n],
    back.map((value, i) => value / factors[Math.floor(i / n)]!),
  );
}
