import { cloneModel, indexGraph, labelOf, type Model, type Tensor } from '../../graph/index.ts';
import type { Capture } from './capture.ts';
import { numbersOf, type UnitCut } from './cut-units.ts';
import type { PruneGroups } from './group.ts';
import { type Layer, layerOf, priorOf, unknownsOf, write } from './layer.ts';
import { keptIndices } from './macs.ts';
import { type Mixed, mixChannels } from './mixing.ts';
import { windowsOf } from './patches.ts';
import { type Rows, rowSums } from './row-sums.ts';

export interface RefitOptions {
  /** How much the sliced weights hold: share of the mean square of the inputs. */
  readonly ridge: number;
  /** Rows of the least-squares problem for each unknown; more are left out at random, in wide layers earlier. */
  readonly rowsPerUnknown: number;
  /**
   * Convolutions with more numbers under a window than this are refitted by mixing channels (`mixChannels`), other layers
   * not at all: the sums take the square of it.
   */
  readonly maxUnknowns: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export const REPAIR_DEFAULTS: RefitOptions = { ridge: 1e-3, rowsPerUnknown: 50, maxUnknowns: 1200, seed: 1 };

/** What repair did to a layer: what it lacks of its original outputs, or where channels were mixed of its inputs (share of their squares), on samples kept aside. */
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
    const where = { node: labelOf(node), op: node.op };
    if (typeof layer === 'string') {
      notes.push({ ...where, before: Number.NaN, after: Number.NaN, refused: layer });
      continue;
    }
    const keptOn = (axis: number) => kept(layer.weightName, axis, layer.original.dims[axis]!);
    const left = { channels: keptOn(layer.read), outputs: keptOn(layer.made) };
    const wide = unknownsOf(layer) > settings.maxUnknowns;
    if (wide && (node.op !== 'Conv' || left.channels.length >= settings.maxUnknowns)) {
      const refused = `has ${unknownsOf(layer)} unknowns for each output, more than ${settings.maxUnknowns}`;
      notes.push({ ...where, before: Number.NaN, after: Number.NaN, refused });
      continue;
    }
    const { solved, before, after } = wide
      ? await mixChannels(original, result, layer, left, capture, settings)
      : await refit(original, result, layer, left.outputs, capture, settings);
    if (after < before && solved.every(Number.isFinite)) write(result, layer, solved);
    notes.push({ ...where, before, after: Math.min(before, after) });
  }
  return { model: result, notes };
}

/** The weights that come nearest to what the layer gave in the original. */
async function refit(
  original: Model,
  small: Model,
  layer: Layer,
  columns: readonly number[],
  capture: Capture,
  settings: RefitOptions,
): Promise<Mixed> {
  const [fit, check] = await rowSums(
    { small, input: layer.input, original, wanted: layer.output },
    (x, y) => rowsIn(layer, x, y),
    { unknowns: unknownsOf(layer), constant: layer.bias !== undefined, columns },
    capture,
    settings,
  );
  const prior = priorOf(layer);
  const solved = fit.rows > 0 ? fit.solve(prior, settings.ridge) : prior;
  const judge = check.rows > 0 ? check : fit;
  return { solved, before: judge.error(prior), after: judge.error(solved) };
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
