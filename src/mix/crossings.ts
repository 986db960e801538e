import { constantOf, indexGraph, inferShapes, type Model, sizeOf } from '../graph/index.ts';
import type { MixLayer, Precision } from '../transform/index.ts';
import { ownersOf } from './owners.ts';

/** A value that one layer makes and others read: where they differ in the type of their activations it is converted. */
export interface Crossing {
  readonly value: string;
  /** Id of the layer that makes it. */
  readonly from: string;
  /** Ids of the other layers that read it. */
  readonly to: readonly string[];
  readonly elements: number;
}

/** Microseconds of one conversion: start of a kernel, and per element. To be scaled by what this machine shows. */
const START = 1;
const PER_ELEMENT = 0.002;

/**
 * The values that go from layer to layer, with their sizes for inputs of these shapes. Sizes that cannot be told count as 0. Nodes
 * must have names of their own.
 */
export function crossingsOf(
  model: Model,
  layers: readonly MixLayer[],
  inputShapes: Readonly<Record<string, readonly number[]>>,
): Crossing[] {
  const { graph } = model;
  const owners = ownersOf(model, layers);
  const index = indexGraph(graph);
  const shapes = inferShapes(model, { strict: false, inputShapes });
  const found: Crossing[] = [];
  for (const node of graph.nodes) {
    const from = owners.get(node.name);
    if (from === undefined) continue;
    for (const value of node.outputs) {
      if (value === '' || constantOf(graph, value, index) !== undefined) continue;
      const known = shapes.get(value);
      if (known?.dtype !== 'float32') continue;
      const readers = (index.consumers.get(value) ?? []).map(({ name }) => owners.get(name)?.id);
      const to = new Set(readers.filter((id) => id !== undefined && id !== from.id) as string[]);
      if (to.size === 0) continue;
      const dims = known.shape?.every((dim) => typeof dim === 'number') ? known.shape : undefined;
      found.push({ value, from: from.id, to: [...to], elements: dims === undefined ? 0 : sizeOf(dims) });
    }
  }
  return found;
}

/** The type that the activations of a precision have. */
const TYPE: Readonly<Record<Precision, string>> = {
  fp32: 'float32',
  int4: 'float32',
  fp16: 'float16',
  int8: 'int8',
};

/** Microseconds of the conversions that an assignment makes necessary, before scaling. */
export function conversionTime(
  crossings: readonly Crossing[],
  precisionOf: (layer: string) => Precision,
): number {
  let sum = 0;
  for (const { from, to, elements } of crossings) {
    const made = TYPE[precisionOf(from)];
    const read = new Set(to.map((layer) => TYPE[precisionOf(layer)]));
    read.delete(made);
    sum += read.size * (START + PER_ELEMENT * elements);
  }
  return sum;
}
