import { Random } from '../../base/index.ts';
import {
  cloneModel,
  floatOf,
  type GraphIndex,
  indexGraph,
  intOf,
  labelOf,
  type Model,
  type Node,
  namer,
  sizeOf,
  soleConsumer,
  Tensor,
} from '../../graph/index.ts';
import { beside } from './beside.ts';
import type { Capture } from './capture.ts';
import { numbersOf, type UnitCut } from './cut-units.ts';
import type { PruneGroups } from './group.ts';
import { keptIndices } from './macs.ts';
import { NormalEquations } from './normal-equations.ts';
import { windowsOf } from './patches.ts';

export interface RefitOptions {
  /** How much the sliced weights hold: share of the mean square of the inputs. */
  readonly ridge: number;
  /** Rows of the least-squares problem for each unknown; more are left out at random. */
  readonly rowsPerUnknown: number;
  /** Layers with more numbers under a window than this stay as they are: the sums take their square. */
  readonly maxUnknowns: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export const REPAIR_DEFAULTS: RefitOptions = { ridge: 1e-3, rowsPerUnknown: 12, maxUnknowns: 1200, seed: 1 };

/** What repair did to a layer: what it lacks of its original outputs (share of their squares) on samples kept aside. */
export interface RepairNote {
  readonly node: string;
  readonly op: string;
  readonly before: number;
  readonly after: number;
  /** Why it was left as it was. */
  readonly refused?: string;
}

/** A cut model, and how it was cut. */
export interface Pruned {
  readonly model: Model;
  readonly groups: PruneGroups;
  readonly cut: UnitCut;
}

/**
 * Refits the layers that read cut units: each Conv, Gemm and MatMul with a weight of its own gets the weight and bias that come nearest, in
 * least squares over the samples, to what it gave in the original from what it is given now (He et al., "Channel pruning for
 * accelerating very deep neural networks", 2017; with a ridge towards the sliced weights). In graph order, so that each makes up for
 * the errors before it too. A fifth of the rows is kept aside: a layer that does no better there stays as it was.
 */
export async function repairConsumers(
  original: Model,
  { model, groups, cut }: Pruned,
  capture: Capture,
  options: Partial<RefitOptions> = {},
): Promise<{ model: Model; notes: readonly RepairNote[] }> {
  const settings = { ...REPAIR_DEFAULTS, ...options };
  const result = cloneModel(model);
  const notes: RepairNote[] = [];
  const gone = numbersOf(groups, cut);
  const kept = (name: string, axis: number, size: number) => {
    const units = groups.axes.get(name)?.[axis];
    return units === undefined ? Array.from({ length: size }, (_, i) => i) : keptIndices(units, gone);
  };
  const index = indexGraph(original.graph);
  for (const node of original.graph.nodes) {
    settings.signal?.throwIfAborted();
    const layer = layerOf(original, result, node, index);
    if (layer === undefined) continue;
    const why = typeof layer === 'string' ? layer : tooWide(layer, settings);
    if (typeof layer === 'string' || why !== undefined) {
      notes.push({
        node: labelOf(node),
        op: node.op,
        before: Number.NaN,
        after: Number.NaN,
        refused: why ?? '',
      });
      continue;
    }
    const columns = kept(layer.weightName, layer.made, layer.original.dims[layer.made]!);
    const [fit, check] = await equations(original, result, layer, columns, capture, settings);
    const prior = priorOf(layer);
    const solved = fit.rows > 0 ? fit.solve(prior, settings.ridge) : prior;
    const judge = check.rows > 0 ? check : fit;
    const [before, after] = [judge.error(prior), judge.error(solved)];
    if (after < before && solved.every(Number.isFinite)) write(result, layer, solved);
    notes.push({ node: labelOf(node), op: node.op, before, after: Math.min(before, after) });
  }
  return { model: result, notes };
}

/** A layer that reads cut units. */
interface Layer {
  /** The node in the cut model. */
  readonly node: Node;
  /** What it reads and, with its bias, makes. */
  readonly input: string;
  readonly output: string;
  readonly weightName: string;
  readonly weight: Tensor;
  readonly original: Tensor;
  /** Axes of the weight: what is summed over and what is made. */
  readonly read: number;
  readonly made: number;
  /** Where the bias stands; undefined where the layer cannot have one. */
  readonly bias:
    | { readonly node: Node; readonly input: number; readonly value: Tensor | undefined }
    | undefined;
  /** Gemm multiplies by them. */
  readonly alpha: number;
  readonly beta: number;
}

/** The layer of a node; undefined where it reads nothing that was cut, a reason where it cannot be refitted. */
function layerOf(original: Model, small: Model, node: Node, index: GraphIndex): Layer | string | undefined {
  if (node.domain !== '' || !['Conv', 'Gemm', 'MatMul'].includes(node.op)) return undefined;
  const name = node.inputs[1]!;
  const [before, weight] = [original, small].map(({ graph }) => graph.initializers.get(name)) as (
    | Tensor
    | undefined
  )[];
  if (before === undefined || weight === undefined) return undefined;
  const turned = node.op === 'Conv' || intOf(node, 'transB', 0) !== 0;
  const [read, made] = turned ? [1, 0] : [0, 1];
  if (node.op === 'MatMul' && before.dims.length !== 2) return undefined;
  if (before.dims[read] === weight.dims[read]) return undefined;
  const twin = small.graph.nodes.find(({ outputs }) => outputs[0] === node.outputs[0])!;
  if (intOf(twin, 'group', 1) !== 1) return 'reads groups of channels';
  if (intOf(node, 'transA', 0) !== 0) return 'reads its input transposed';
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`;
  if (index.consumers.get(name)?.length !== 1) return 'shares its weight with another layer';
  const [alpha, beta] = [floatOf(node, 'alpha', 1), floatOf(node, 'beta', 1)];
  if (alpha === 0) return 'multiplies by nothing';
  const base = {
    node: twin,
    input: node.inputs[0]!,
    weightName: name,
    weight,
    original: before,
    read,
    made,
    alpha,
    beta,
  };
  if (node.op !== 'MatMul') {
    const bias = node.inputs[2] ?? '';
    const value = bias === '' ? undefined : small.graph.initializers.get(bias);
    if (bias !== '' && value === undefined) return 'its bias is computed';
    const column = value !== undefined && value.dims.length === 2 && value.dims[0] !== 1;
    if (column || beta === 0) return 'its bias is not one number for each output';
    return { ...base, output: node.outputs[0]!, bias: { node: twin, input: 2, value } };
  }
  const add = soleConsumer(index, node.outputs[0]!);
  const at = add?.inputs.findIndex((input) => input !== node.outputs[0]) ?? -1;
  const value = add?.op === 'Add' && at >= 0 ? small.graph.initializers.get(add.inputs[at]!) : undefined;
  const vector = value !== undefined && value.dtype === 'float32' && sizeOf(value.dims) === weight.dims[1];
  if (!vector || value.dims.at(-1) !== weight.dims[1])
    return { ...base, output: node.outputs[0]!, bias: undefined };
  const after = small.graph.nodes.find(({ outputs }) => outputs[0] === add!.outputs[0])!;
  return { ...base, output: add!.outputs[0]!, bias: { node: after, input: at, value } };
}

const unknownsOf = ({ weight, made, bias }: Layer) =>
  weight.size / weight.dims[made]! + (bias === undefined ? 0 : 1);

function tooWide(layer: Layer, { maxUnknowns }: RefitOptions): string | undefined {
  const unknowns = unknownsOf(layer);
  return unknowns > maxUnknowns
    ? `has ${unknowns} unknowns for each output, more than ${maxUnknowns}`
    : undefined;
}

/** The sums over rows to fit by, and over rows to judge by. */
async function equations(
  original: Model,
  small: Model,
  layer: Layer,
  columns: readonly number[],
  capture: Capture,
  { rowsPerUnknown, seed }: RefitOptions,
): Promise<[NormalEquations, NormalEquations]> {
  const unknowns = unknownsOf(layer);
  const inputs = layer.bias === undefined ? unknowns : unknowns - 1;
  const sums = [0, 1].map(() => new NormalEquations(unknowns, columns.length)) as [
    NormalEquations,
    NormalEquations,
  ];
  const pair = beside(small, layer.input, original, layer.output);
  const random = new Random(seed);
  const perSample = (rowsPerUnknown * unknowns) / Math.max(1, capture.samples);
  await capture.run(pair.model, (outputs, samples) => {
    const [x, y] = [outputs[pair.first]!, outputs[pair.second]!];
    const rows = rowsIn(layer, x, y);
    // Rows that do not meet cannot be compared: an axis besides the channels was cut.
    if (rows === undefined) return;
    const chance = (perSample * samples) / rows.count;
    for (let row = 0; row < rows.count; row++) {
      if (random.uniform() >= chance) continue;
      const [from, to] = [rows.x(row), rows.y(row)];
      sums[random.uniform() < 0.2 ? 1 : 0].add(
        (i) => (i === inputs ? 1 : from(i)),
        (i) => to(columns[i]!),
      );
    }
  });
  return sums;
}

interface Rows {
  readonly count: number;
  x(row: number): (unknown: number) => number;
  y(row: number): (column: number) => number;
}

function rowsIn({ node, weight }: Layer, x: Tensor, y: Tensor): Rows | undefined {
  const [from, to] = [x.as('float32'), y.as('float32')];
  if (node.op === 'Conv') {
    const windows = windowsOf(node, x.dims, y.dims, weight.dims.slice(2));
    const { places } = windows;
    const channels = y.dims[1]!;
    return {
      count: x.dims[0]! * places,
      x(row) {
        const list = windows.at(Math.floor(row / places), row % places);
        return (i) => (list[i]! < 0 ? 0 : from[list[i]!]!);
      },
      y: (row) => (column) => to[(Math.floor(row / places) * channels + column) * places + (row % places)]!,
    };
  }
  const [width, made] = [x.dims.at(-1)!, y.dims.at(-1)!];
  const count = x.size / width;
  if (y.size / made !== count) return undefined;
  return {
    count,
    x: (row) => (i) => from[row * width + i]!,
    y: (row) => (column) => to[row * made + column]!,
  };
}

/** The weight and the bias as they were sliced: [outputs, unknowns]. */
function priorOf(layer: Layer): Float64Array {
  const { weight, made, bias, alpha, beta } = layer;
  const unknowns = unknownsOf(layer);
  const [count, values] = [weight.dims[made]!, weight.as('float32')];
  const inputs = values.length / count;
  const old = bias?.value?.as('float32');
  const prior = new Float64Array(count * unknowns);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) {
      prior[o * unknowns + i] = alpha * values[made === 0 ? o * inputs + i : i * count + o]!;
    }
    if (bias !== undefined) prior[o * unknowns + inputs] = beta * (old?.[old.length === 1 ? 0 : o] ?? 0);
  }
  return prior;
}

function write({ graph }: Model, layer: Layer, solved: Float64Array): void {
  const { weight, weightName, made, bias, alpha, beta } = layer;
  const unknowns = unknownsOf(layer);
  const count = weight.dims[made]!;
  const inputs = weight.size / count;
  const values = new Float32Array(weight.size);
  for (let o = 0; o < count; o++) {
    for (let i = 0; i < inputs; i++) {
      values[made === 0 ? o * inputs + i : i * count + o] = solved[o * unknowns + i]! / alpha;
    }
  }
  graph.initializers.set(weightName, Tensor.float32(weight.dims, values));
  if (bias === undefined) return;
  const fitted = Float32Array.from({ length: count }, (_, o) => solved[o * unknowns + inputs]! / beta);
  const name = namer(graph)(`${weightName}_bias`);
  const dims = bias.value !== undefined && bias.value.size === count ? bias.value.dims : [count];
  graph.initializers.set(name, Tensor.float32(dims, fitted));
  while (bias.node.inputs.length < bias.input) bias.node.inputs.push('');
  const old = bias.node.inputs[bias.input];
  bias.node.inputs[bias.input] = name;
  const unread = !graph.nodes.some(({ inputs: read }) => read.includes(old ?? ''));
  if (old !== undefined && old !== '' && unread) graph.initializers.delete(old);
}
