import { attr, type Graph, type Model, makeNode, sizeOf, Tensor } from '../graph/index.ts';
import type { Place } from './places.ts';

/** How a place becomes a vector of features. */
export type Pooling =
  /** The value is a vector already. */
  | { readonly kind: 'none' }
  /** The mean over all positions. */
  | { readonly kind: 'mean' }
  /** The first position of a sequence (a class token). */
  | { readonly kind: 'first' }
  /** Means of so many parts along each axis: where something is counts too. */
  | { readonly kind: 'grid'; readonly parts: readonly number[] };

/** Features that a head reads at most, where a grid could make more. */
const MOST_FEATURES = 256;

/** The poolings that suit a place, the plainest first. */
export function poolingsOf(place: Place, mostFeatures = MOST_FEATURES): Pooling[] {
  const { kind, axis, channels, room } = place;
  if (kind === 'vector') return [{ kind: 'none' }];
  if (kind === 'sequence' && axis === 2) return [{ kind: 'mean' }, { kind: 'first' }];
  if (room === undefined) return [{ kind: 'mean' }];
  // Parts do not overlap: sums over parts that do cost more than the layers before them.
  const gridAt = (stride: number) => room.map((size) => Math.max(1, Math.floor(size / stride)));
  const fits = (parts: readonly number[]) => channels * sizeOf(parts) <= mostFeatures;
  let finest = 1;
  while (!fits(gridAt(finest)) && finest < Math.max(...room)) finest++;
  // The finest grid that the features allow, and one of half its fineness: more features need more samples.
  const grids = [gridAt(2 * finest), gridAt(finest)].filter((parts) => sizeOf(parts) > 1 && fits(parts));
  return [{ kind: 'mean' }, ...grids.map((parts): Pooling => ({ kind: 'grid', parts }))];
}

/** Features that a pooling makes of a place. */
export function featuresOf(place: Place, pooling: Pooling): number {
  return pooling.kind === 'grid' ? place.channels * sizeOf(pooling.parts) : place.channels;
}

/** A few words for people. */
export function poolingText(pooling: Pooling): string {
  if (pooling.kind === 'grid') return `grid ${pooling.parts.join('x')}`;
  return pooling.kind === 'none' ? 'as it is' : pooling.kind;
}

/**
 * Adds the nodes that pool a place, and gives the name of the features: [N, features], float32. `name` makes names that are free.
 */
export function addPooling(
  model: Model,
  place: Place,
  pooling: Pooling,
  stem: string,
  name: (stem: string) => string,
): string {
  const { graph } = model;
  const add = (op: string, label: string, inputs: string[], attributes = {}) => {
    const own = name(`${stem}.${label}`);
    graph.nodes.push(makeNode(op, inputs, [own], attributes, { name: own }));
    return own;
  };
  const { value, kind, axis } = place;
  if (pooling.kind === 'none') return value;
  if (kind === 'sequence' && axis === 2) {
    if (pooling.kind === 'first') {
      const index = constant(graph, name(`${stem}.index`), Tensor.int64([], [0]));
      return add('Gather', 'first', [value, index], { axis: attr.int(1) });
    }
    const opset = model.opsets.get('') ?? 1;
    if (opset < 18)
      return add('ReduceMean', 'mean', [value], { axes: attr.ints([1]), keepdims: attr.int(0) });
    const axes = constant(graph, name(`${stem}.axes`), Tensor.int64([1], [1]));
    return add('ReduceMean', 'mean', [value, axes], { keepdims: attr.int(0) });
  }
  if (pooling.kind !== 'grid') {
    const mean = add('GlobalAveragePool', 'mean', [value]);
    return add('Flatten', 'features', [mean], { axis: attr.int(1) });
  }
  // Parts of equal size: a stride that fits, and a kernel that takes what is left over too.
  const strides = pooling.parts.map((parts, i) => Math.floor(place.room![i]! / parts));
  const kernel = pooling.parts.map((parts, i) => place.room![i]! - (parts - 1) * strides[i]!);
  const one = pooling.parts.every((parts, i) => parts === place.room![i]);
  const means = one
    ? value
    : add('AveragePool', 'grid', [value], { kernel_shape: attr.ints(kernel), strides: attr.ints(strides) });
  return add('Flatten', 'features', [means], { axis: attr.int(1) });
}

function constant(graph: Graph, name: string, tensor: Tensor): string {
  graph.initializers.set(name, tensor);
  return name;
}
