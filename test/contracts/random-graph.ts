import { Random } from '../../src/base/index.ts';
import {
  type Attribute,
  attr,
  type Dim,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type Node,
  sizeOf,
  Tensor,
  tensorType,
  type ValueInfo,
} from '../../src/graph/index.ts';
import { BLOCKS, type Value } from './random-blocks.ts';

/** A random model, and feeds that fit it. */
export interface RandomGraph {
  readonly model: Model;
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** What it is made of, for messages. */
  readonly story: string;
}

/** The opsets that random graphs are written in. */
export const OPSETS = [7, 9, 10, 11, 13, 17, 18, 21] as const;

const BATCHES: readonly Dim[] = ['batch', 1, 1, 2];

/** Builds one graph; blocks call it. Shapes are tracked with the batch that the feeds have. */
export class Builder {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();
  readonly opset: number;
  readonly random: Random;
  readonly batch: Dim;
  #names = 0;

  constructor(opset: number, random: Random, batch: Dim) {
    this.opset = opset;
    this.random = random;
    this.batch = batch;
  }

  fresh(stem: string): string {
    return `${stem}_${this.#names++}`;
  }

  chance(share: number): boolean {
    return this.random.uniform() < share;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!;
  }

  /** A constant: an initializer, or the output of a Constant node. */
  constant(stem: string, tensor: Tensor): string {
    const name = this.fresh(stem);
    if (this.chance(0.3)) this.nodes.push(makeNode('Constant', [], [name], { value: attr.tensor(tensor) }));
    else this.initializers.set(name, tensor);
    return name;
  }

  ints(stem: string, values: readonly number[]): string {
    return this.constant(stem, Tensor.int64([values.length], values));
  }

  /** Normal numbers around `mean`. */
  floats(stem: string, dims: readonly number[], scale = 1, mean = 0): string {
    const values = Float32Array.from({ length: sizeOf(dims) }, () => mean + scale * this.random.normal());
    return this.constant(stem, Tensor.float32(dims, values));
  }

  /** Appends a node with one output of the given shape. */
  op(
    op: string,
    inputs: readonly string[],
    dims: readonly number[],
    attributes: Record<string, Attribute> = {},
  ): Value {
    const name = this.fresh(op.toLowerCase());
    this.nodes.push(makeNode(op, [...inputs], [name], attributes, { name: this.fresh(`node_${op}`) }));
    return { name, dims };
  }
}

/** The random graph of a seed: the same seed gives the same graph and feeds. */
export function randomGraph(seed: number): RandomGraph {
  const random = new Random(Math.imul(seed, 0x9e3779b1));
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 32; i++) random.uniform();
  const opset = OPSETS[random.below(OPSETS.length)]!;
  const batch = BATCHES[random.below(BATCHES.length)]!;
  const builder = new Builder(opset, random, batch);
  const size = typeof batch === 'number' ? batch : 2;
  const kinds: readonly (readonly number[])[] = [
    [size, builder.pick([1, 3, 4]), builder.pick([6, 7, 8]), 6],
    [size, builder.pick([4, 6, 8])],
    [size, builder.pick([3, 5]), builder.pick([4, 8])],
  ];
  const dims = builder.pick(kinds);
  const inputs: Value[] = [{ name: 'x', dims }];
  if (builder.chance(0.3)) inputs.push({ name: 'y', dims });
  let value: Value = inputs[0]!;
  if (inputs[1]) value = builder.op('Add', ['x', 'y'], dims);
  const made: string[] = [];
  const inner: Value[] = [];
  for (let left = 3 + random.below(6); left > 0; left--) {
    const fitting = Object.entries(BLOCKS).filter(([, block]) => block.fits(value.dims, builder));
    const [name, block] = builder.pick(fitting);
    value = block.build(builder, value);
    made.push(name);
    if (builder.chance(0.15)) inner.push(value);
  }
  if (builder.chance(0.3)) value = builder.op('Identity', [value.name], value.dims);
  const outputs = [...new Map([...inner, value].map((one) => [one.name, one])).values()].filter((one) =>
    builder.nodes.some((node) => node.outputs.includes(one.name)),
  );
  const info = ({ name, dims: own }: Value): ValueInfo => {
    const shape: Dim[] = [...own];
    if (typeof batch === 'string' && own[0] === size) shape[0] = batch;
    return { name, type: tensorType('float32', shape) };
  };
  const asInputs = builder.chance(0.2) && opset >= 9;
  // A factor of an Upsample that a caller may replace cannot be said in a newer opset, and is refused by name.
  const weights = [...builder.initializers]
    .filter(([name]) => !name.startsWith('scales'))
    .map(([name, { dtype, dims: own }]): ValueInfo => ({ name, type: tensorType(dtype, own) }));
  const model = makeModel(
    makeGraph({
      inputs: [...inputs.map(info), ...(asInputs ? weights : [])],
      outputs: outputs.map(info),
      nodes: builder.nodes,
      initializers: builder.initializers,
    }),
    opset,
    { irVersion: opset < 9 ? 4 : opset < 13 ? 6 : opset < 19 ? 8 : 10 },
  );
  const feeds = Object.fromEntries(
    inputs.map(({ name }) => [
      name,
      Tensor.float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
      ),
    ]),
  );
  return { model, feeds, story: `seed ${seed}, opset ${opset}, batch ${batch}: ${made.join(', ')}` };
}
