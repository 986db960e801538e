import type { Random } from '../../../src/base/index.ts';
import {
  type Attribute,
  attr,
  inferShapes,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  sizeOf,
  Tensor,
  tensorType,
  type ValueInfo,
} from '../../../src/graph/index.ts';
import { type Composer, TRAINING_OPSET } from '../../../src/train/index.ts';

/** A forward graph, whose gradients are held to finite differences at these feeds. */
export interface Forward {
  readonly model: Model;
  /** All inputs, of static shapes. Float values stay away from kinks by more than 1e-3. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** The values whose gradients are checked; unless said, all float inputs. */
  readonly wrt?: readonly string[];
  /**
   * Puts macros into the graph that is differentiated, instead of nodes of `model`: what finite differences see of a macro.
   * The outputs keep their names.
   */
  readonly compose?: (to: Composer) => void;
}

/** One row of the contract: what it shows, the rows of GRADIENTS it is there for, and a maker of random graphs. */
export interface GradientCase {
  /** Unique; stands in messages. */
  readonly name: string;
  /** Keys of GRADIENTS. Every key must be named by some case, and its rule be called in it. */
  readonly ops: readonly string[];
  /** A graph with random shapes and attributes. A few dozen elements an input: finite differences ask for each. */
  make(random: Random): Forward;
}

/**
 * An input of a case's node: a float32 tensor is an input of the graph and is differentiated; one of another dtype is a
 * constant; `fixed` and `fed` say otherwise; undefined is absent.
 */
export type Given = Tensor | { readonly tensor: Tensor; readonly as: 'constant' | 'input' } | undefined;

/** A constant of the graph, whatever its dtype. */
export function fixed(tensor: Tensor): Given {
  return { tensor, as: 'constant' };
}

/** An input of the graph that is fed, whatever its dtype. */
export function fed(tensor: Tensor): Given {
  return { tensor, as: 'input' };
}

/** Attributes as in a node: numbers are ints where whole; say `attr.float(2)` where a whole number is a float. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | Attribute | undefined>
>;

/**
 * The model of one node, its float32 inputs as inputs x0, x1...; `outputs`: how many, or which ('' is absent); `opset`: of
 * operators younger than those that are trained, which are expanded.
 */
export function single(
  op: string,
  inputs: readonly Given[],
  attributes: Attributes = {},
  {
    domain = '',
    outputs = 1,
    opset = TRAINING_OPSET,
  }: { domain?: string; outputs?: number | readonly string[]; opset?: number } = {},
): Forward {
  const names =
    typeof outputs === 'number' ? Array.from({ length: outputs }, (_, i) => `y${i}`) : [...outputs];
  const node = makeNode(
    op,
    inputs.map((input, i) => (input === undefined ? '' : `x${i}`)),
    names,
    attributesOf(attributes),
    { name: 'n', domain },
  );
  const given = inputs.flatMap((input, i) => (input === undefined ? [] : [[`x${i}`, input] as const]));
  return graphOf(
    [node],
    Object.fromEntries(given),
    names.filter((name) => name !== ''),
    opset,
  );
}

/** A model of several nodes; `given` as in `single`, by name. */
export function graphOf(
  nodes: readonly Node[],
  given: Readonly<Record<string, Given>>,
  outputs: readonly string[],
  opset = TRAINING_OPSET,
): Forward {
  const inputs: ValueInfo[] = [];
  const initializers = new Map<string, Tensor>();
  const feeds: Record<string, Tensor> = {};
  for (const [name, input] of Object.entries(given)) {
    if (input === undefined) continue;
    const tensor = input instanceof Tensor ? input : input.tensor;
    const as = input instanceof Tensor ? (tensor.dtype === 'float32' ? 'input' : 'constant') : input.as;
    if (as === 'constant') {
      initializers.set(name, tensor);
      continue;
    }
    feeds[name] = tensor;
    inputs.push({ name, type: tensorType(tensor.dtype, tensor.dims) });
  }
  const graph = makeGraph({
    inputs,
    outputs: [],
    nodes: [...nodes],
    initializers,
  });
  const domains = new Set(nodes.map(({ domain }) => domain));
  const opsets = new Map([...domains].map((domain) => [domain, domain === '' ? opset : 1]));
  const model = makeModel(graph, opset, { opsets: opsets.set('', opset) });
  const found = inferShapes(model).values;
  graph.outputs = outputs.map((name): ValueInfo => {
    const { dtype = 'float32', shape } = found.get(name)!;
    return { name, type: tensorType(dtype, shape) };
  });
  return { model, feeds };
}

/** Plain attributes of a node of a case. */
export function attributesOf(given: Attributes): Record<string, Attribute> {
  const all = Object.entries(given).flatMap(([key, value]): [string, Attribute][] => {
    if (value === undefined) return [];
    if (typeof value === 'string') return [[key, attr.string(value)]];
    if (typeof value === 'number')
      return [[key, Number.isInteger(value) ? attr.int(value) : attr.float(value)]];
    return [[key, Array.isArray(value) ? attr.ints(value as readonly number[]) : (value as Attribute)]];
  });
  return Object.fromEntries(all);
}

/** How random values are drawn. */
export interface Draw {
  /** Normal numbers around this, unless `between` is given. Default 0. */
  readonly mean?: number;
  /** Standard deviation. Default 1. */
  readonly scale?: number;
  /** Uniform numbers in this range instead. */
  readonly between?: readonly [number, number];
  /** Places that no value comes near. */
  readonly awayFrom?: readonly number[];
  /** How near is too near. Default 0.02. */
  readonly distance?: number;
}

/** A float32 tensor of random values. */
export function values(random: Random, dims: readonly number[], draw: Draw = {}): Tensor {
  const { mean = 0, scale = 1, between, awayFrom = [], distance = 0.02 } = draw;
  const one = (): number => {
    for (;;) {
      const value =
        between === undefined
          ? mean + scale * random.normal()
          : between[0] + random.uniform() * (between[1] - between[0]);
      if (awayFrom.every((kink) => Math.abs(value - kink) > distance)) return value;
    }
  };
  return Tensor.float32(dims, Float32Array.from({ length: sizeOf(dims) }, one));
}

/** Values that all differ by at least `gap`, in random order: for maxima and sorting. Around zero. */
export function distinct(random: Random, dims: readonly number[], gap = 0.05): Tensor {
  const size = sizeOf(dims);
  const order = random.shuffle(Array.from({ length: size }, (_, i) => i));
  const at = (i: number) => (i - size / 2 + 0.5 + 0.4 * (random.uniform() - 0.5)) * 2 * gap;
  return Tensor.float32(dims, Float32Array.from(order, at));
}

/** A random whole number from `least` to `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

/** A random shape of the given rank, or of a rank in a range. */
export function shape(random: Random, rank: number | readonly [number, number], most = 4): number[] {
  const length = typeof rank === 'number' ? rank : between(random, rank[0], rank[1]);
  return Array.from({ length }, () => between(random, 1, most));
}
