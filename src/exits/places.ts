import { fail } from '../base/index.ts';
import {
  byteLengthOf,
  cloneModel,
  costOf,
  type DType,
  indexGraph,
  inferShapes,
  type Known,
  type Model,
  type Node,
  nameNodes,
  readsOf,
  sizeOf,
  topologicalOrder,
} from '../graph/index.ts';

/** A value between the layers of a model behind which a head can answer. */
export interface Place {
  readonly value: string;
  /** The node that makes it, for people. */
  readonly node: string;
  /** What it is: a picture [N, C, ...], a sequence [N, T, D] or [N, C, T], a vector [N, D]. */
  readonly kind: 'picture' | 'sequence' | 'vector';
  /** The axis of the channels. */
  readonly axis: number;
  readonly channels: number;
  /** Sizes of the other axes but the first, in order; undefined where not all are known. */
  readonly room: readonly number[] | undefined;
  /** Multiply-accumulates per sample of all that it is made by. */
  readonly macs: number;
  /** What the layers behind need of the layers before: inner values, the place itself most often the only one. */
  readonly frontier: readonly string[];
  /** Bytes of the frontier per sample, where known. */
  readonly frontierBytes: number;
}

export interface PlaceOptions {
  /** Shares of the work between which places are looked for. Default 0.01 to 0.9. */
  readonly within?: readonly [least: number, most: number];
  /** Values that may have to be carried over from the layers before. Default 4. */
  readonly mostCarried?: number;
  /** Places at most; of neighbours in depth those with the least to carry stay. Default 24. */
  readonly most?: number;
}

/** Operators whose result a picture [N, C, ...] is; what follows them element by element is one too. */
const PICTURES: ReadonlySet<string> = new Set([
  'Conv',
  'ConvTranspose',
  'MaxPool',
  'AveragePool',
  'LpPool',
  'BatchNormalization',
  'InstanceNormalization',
]);
/** Operators that work along the last axis. */
const ROWS: ReadonlySet<string> = new Set([
  'MatMul',
  'Gemm',
  'LayerNormalization',
  'RMSNormalization',
  'SkipLayerNormalization',
  'Attention',
  'FusedMatMul',
]);
/** Operators that belong to the layer before them: a place comes behind them. */
const FINISHING: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Elu',
  'Selu',
  'Clip',
  'Sigmoid',
  'HardSigmoid',
  'HardSwish',
  'Tanh',
  'Gelu',
  'Softplus',
  'BatchNormalization',
  'Dropout',
  'Identity',
  'Flatten',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Cast',
]);
/** Places closer than this share of all work are neighbours. */
const NEAR = 0.01;

/**
 * The places of a model where a sample may leave, by depth: float32 values with the samples on their first axis, behind whole layers,
 * of which the layers behind need few others besides. Work is counted for one sample. Throws EXITS_NO_PLACE, saying why.
 */
export function exitPlaces(model: Model, options: PlaceOptions = {}): Place[] {
  const { within = [0.01, 0.9], mostCarried = 4, most = 24 } = options;
  const named = cloneModel(model);
  nameNodes(named.graph);
  const reach = new Reach(named);
  const total = reach.total;
  const found: Place[] = [];
  for (const node of reach.order) {
    for (const value of node.outputs) {
      const place = value === '' ? undefined : reach.place(node, value);
      if (place === undefined || place.frontier.length > mostCarried) continue;
      if (place.macs < within[0] * total || place.macs > within[1] * total) continue;
      found.push(place);
    }
  }
  if (found.length === 0) {
    throw fail('EXITS_NO_PLACE', `none of the values of its ${reach.order.length} nodes suits`);
  }
  return thinned(found, total, most);
}

/** Of neighbours in depth the one with the least to carry, the later of equals; the whole no more than `most`. */
function thinned(places: readonly Place[], total: number, most: number): Place[] {
  const sorted = [...places].sort((a, b) => a.macs - b.macs);
  for (let near = NEAR; ; near *= 1.5) {
    const kept: Place[] = [];
    for (const place of sorted) {
      const before = kept.at(-1);
      if (before === undefined || place.macs - before.macs > near * total) kept.push(place);
      else if (cheaper(place, before)) kept[kept.length - 1] = place;
    }
    if (kept.length <= most) return kept;
  }
}

function cheaper(a: Place, b: Place): boolean {
  if (a.frontier.length !== b.frontier.length) return a.frontier.length < b.frontier.length;
  return a.frontierBytes <= b.frontierBytes;
}

/** Who needs what in a model, and what it costs. */
class Reach {
  readonly order: readonly Node[];
  readonly total: number;
  readonly #model: Model;
  readonly #index: ReturnType<typeof indexGraph>;
  readonly #known: (name: string) => Known | undefined;
  /** Nodes whose result depends on an input, and that an output needs. */
  readonly #live: ReadonlySet<Node>;
  readonly #macs: ReadonlyMap<string, number>;
  readonly #batches: ReadonlySet<string | number | null>;
  readonly #ancestors = new Map<Node, ReadonlySet<Node>>();

  constructor(model: Model) {
    const { graph } = model;
    this.#model = model;
    this.#index = indexGraph(graph);
    this.order = topologicalOrder(graph);
    const inference = inferShapes(model, { strict: false });
    this.#known = (name) => inference.get(name);
    const cost = costOf(model, inference);
    this.total = cost.total.macs;
    this.#macs = byNode(cost.nodes, new Set(graph.nodes.map(({ name }) => name)));
    const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
    this.#batches = new Set(inputs.map(({ name }) => inference.get(name)?.shape?.[0] ?? null));
    this.#live = liveNodes(this.order, new Set(inputs.map(({ name }) => name)), this.#index);
  }

  place(node: Node, value: string): Place | undefined {
    if (!this.#live.has(node) || this.#index.outputs.has(value)) return undefined;
    const known = this.#known(value);
    const shape = known?.shape;
    if (known?.dtype !== 'float32' || shape === undefined || !this.#batched(value)) return undefined;
    if (this.#finishes(value)) return undefined;
    const layout = this.#layout(node, shape.length);
    if (layout === undefined) return undefined;
    const channels = shape[layout.axis];
    if (typeof channels !== 'number') return undefined;
    const before = this.#before(node);
    const frontier = this.#frontier(before);
    if (frontier === undefined) return undefined;
    const others = shape.filter((_, i) => i > 0 && i !== layout.axis);
    return {
      value,
      node: node.name,
      ...layout,
      channels,
      room: others.every((dim) => typeof dim === 'number') ? (others as number[]) : undefined,
      macs: [...before].reduce((sum, one) => sum + (this.#macs.get(one.name) ?? 0), 0),
      frontier,
      frontierBytes: frontier.reduce((sum, name) => sum + this.#bytes(name), 0),
    };
  }

  /** True where the first axis are the samples, as far as names and sizes tell. */
  #batched(value: string): boolean {
    const first = this.#known(value)?.shape?.[0];
    return first !== undefined && this.#batches.has(first);
  }

  /** True where the only reader goes on with the same layer: an activation, a normalization, a bias. */
  #finishes(value: string): boolean {
    const readers = this.#index.consumers.get(value) ?? [];
    const [reader] = readers;
    if (reader === undefined || readers.length > 1 || reader.domain !== '') return false;
    if (FINISHING.has(reader.op)) return true;
    // A bias or a scale: the other operand is a constant.
    if (!['Add', 'Mul', 'Sub', 'Div'].includes(reader.op)) return false;
    return reader.inputs.some((name) => name !== value && this.#model.graph.initializers.has(name));
  }

  #layout(node: Node, rank: number): Pick<Place, 'kind' | 'axis'> | undefined {
    if (rank === 2) return { kind: 'vector', axis: 1 };
    if (rank < 2 || rank > 5) return undefined;
    const family = this.#family(node);
    if (family === 'picture') return { kind: rank === 3 ? 'sequence' : 'picture', axis: 1 };
    return family === 'rows' && rank === 3 ? { kind: 'sequence', axis: 2 } : undefined;
  }

  /** The kind of operator that gave a value its layout, seen through what works element by element. */
  #family(node: Node): 'picture' | 'rows' | undefined {
    const seen = new Set<Node>();
    const todo = [node];
    for (let at = todo.shift(); at !== undefined; at = todo.shift()) {
      if (seen.has(at) || ['Transpose', 'Reshape', 'Flatten'].includes(at.op)) continue;
      seen.add(at);
      if (PICTURES.has(at.op)) return 'picture';
      if (ROWS.has(at.op)) return 'rows';
      for (const name of at.inputs) {
        const maker = this.#index.producers.get(name);
        if (maker !== undefined) todo.push(maker);
      }
    }
    return undefined;
  }

  /** The node and all it depends on. */
  #before(node: Node): ReadonlySet<Node> {
    const known = this.#ancestors.get(node);
    if (known !== undefined) return known;
    const found = new Set<Node>([node]);
    for (const name of readsOf(node)) {
      const maker = this.#index.producers.get(name);
      if (maker !== undefined) for (const one of this.#before(maker)) found.add(one);
    }
    this.#ancestors.set(node, found);
    return found;
  }

  /** What nodes outside of `before` read of it; undefined where that is an output or has no sample axis. */
  #frontier(before: ReadonlySet<Node>): string[] | undefined {
    const frontier: string[] = [];
    for (const node of before) {
      if (!this.#live.has(node)) continue;
      for (const name of node.outputs) {
        if (this.#index.outputs.has(name)) return undefined;
        const readers = this.#index.consumers.get(name) ?? [];
        if (readers.every((reader) => before.has(reader) || !this.#live.has(reader))) continue;
        if (!this.#batched(name)) return undefined;
        frontier.push(name);
      }
    }
    return frontier;
  }

  #bytes(name: string): number {
    const known = this.#known(name);
    const rest = known?.shape?.slice(1).map((dim) => (typeof dim === 'number' ? dim : 1)) ?? [];
    return byteLengthOf((known?.dtype ?? 'float32') as DType, sizeOf(rest));
  }
}

/** Work of each node of the main graph; nodes of nested graphs, which stand before it, count to the node that runs them. */
function byNode(
  nodes: readonly { readonly node: string; readonly macs: number }[],
  own: ReadonlySet<string>,
): Map<string, number> {
  const macs = new Map<string, number>();
  let nested = 0;
  for (const one of nodes) {
    if (own.has(one.node)) {
      macs.set(one.node, one.macs + nested);
      nested = 0;
    } else nested += one.macs;
  }
  return macs;
}

function liveNodes(
  order: readonly Node[],
  inputs: ReadonlySet<string>,
  index: ReturnType<typeof indexGraph>,
): Set<Node> {
  const fed = new Set(inputs);
  const dependent = new Set<Node>();
  for (const node of order) {
    if (![...readsOf(node)].some((name) => fed.has(name))) continue;
    dependent.add(node);
    for (const name of node.outputs) if (name !== '') fed.add(name);
  }
  const needed = new Set<string>(index.outputs);
  const live = new Set<Node>();
  for (const node of [...order].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    for (const name of readsOf(node)) needed.add(name);
    if (dependent.has(node)) live.add(node);
  }
  return live;
}
