import type { Random } from '../../../src/base/index.ts';
import { attr, makeNode, type Node, Tensor } from '../../../src/graph/index.ts';
import {
  type Attributes,
  attributesOf,
  fed,
  fixed,
  type Given,
  type GradientCase,
  graphOf,
  pick,
  values,
} from './case.ts';

/** Collects the nodes of a block as an exporter writes them. */
class Block {
  readonly nodes: Node[] = [];
  readonly given: Record<string, Given> = {};
  #names = 0;

  add(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const name = `${op.toLowerCase()}_${this.#names++}`;
    this.nodes.push(makeNode(op, [...inputs], [name], attributesOf(attributes)));
    return name;
  }

  give(stem: string, value: Given): string {
    const name = `${stem}_${this.#names++}`;
    this.given[name] = value;
    return name;
  }

  ints(list: readonly number[]): string {
    return this.give('ints', Tensor.int64([list.length], list));
  }

  /** A Constant node with a scalar int64. */
  scalar(value: number): string {
    return this.add('Constant', [], { value: attr.tensor(Tensor.int64([], [value])) });
  }

  /** Dimension `axis` of a value, as tracing writes it. */
  size(value: string, axis: number): string {
    const shape = this.add('Shape', [value]);
    return this.add('Gather', [shape, this.scalar(axis)], { axis: 0 });
  }

  /** A Reshape whose target is put together at run time. */
  view(value: string, dims: readonly (string | number)[]): string {
    const parts = dims.map((dim) =>
      typeof dim === 'number' ? this.ints([dim]) : this.add('Unsqueeze', [dim, this.ints([0])]),
    );
    return this.add('Reshape', [value, this.add('Concat', parts, { axis: 0 })]);
  }
}

interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly size: number;
}

const sizesOf = (random: Random): Sizes => ({
  batch: 2,
  length: 2 + random.below(2),
  heads: pick(random, [1, 2]),
  size: 2,
});

/** x W + b, the way torch.nn.Linear is traced for three axes. */
function linear(b: Block, random: Random, x: string, from: number, to: number): string {
  const w = b.give('w', values(random, [from, to], { scale: 0.6 }));
  return b.add('Add', [b.give('b', values(random, [to], { scale: 0.3 })), b.add('MatMul', [x, w])]);
}

/** BERT's self-attention as transformers exports it: sizes read at run time, a mask of additions. */
function bert(random: Random) {
  const { batch, length, heads, size } = sizesOf(random);
  const hidden = heads * size;
  const b = new Block();
  const x = b.give('x', values(random, [batch, length, hidden]));
  const split = (perm: readonly number[]) => {
    const projected = linear(b, random, x, hidden, hidden);
    const view = b.view(projected, [b.size(projected, 0), b.size(projected, 1), heads, size]);
    return b.add('Transpose', [view], { perm });
  };
  const [q, k, v] = [split([0, 2, 1, 3]), split([0, 2, 3, 1]), split([0, 2, 1, 3])];
  const root = b.give('root', fixed(Tensor.float32([], [Math.sqrt(size)])));
  const scores = b.add('Div', [b.add('MatMul', [q, k]), root]);
  const bits = Array.from({ length: batch * length }, (_, i) =>
    Number(i % length === 0 || random.below(2) === 1),
  );
  const mask = b.give('mask', fed(Tensor.int64([batch, length], bits)));
  const wide = b.add('Unsqueeze', [b.add('Unsqueeze', [mask, b.ints([1])]), b.ints([2])]);
  const kept = b.add('Cast', [wide], { to: 1 });
  const one = b.give('one', fixed(Tensor.float32([], [1])));
  const low = b.give('low', fixed(Tensor.float32([], [-10000])));
  const added = b.add('Mul', [b.add('Sub', [one, kept]), low]);
  const weights = b.add('Softmax', [b.add('Add', [scores, added])], { axis: -1 });
  const mixed = b.add('Transpose', [b.add('MatMul', [weights, v])], { perm: [0, 2, 1, 3] });
  const joined = b.view(mixed, [b.size(mixed, 0), b.size(mixed, 1), hidden]);
  const y = b.add('Add', [linear(b, random, joined, hidden, hidden), x]);
  return graphOf(b.nodes, b.given, [y]);
}

/** GPT-2's: one projection for all three, split; causal by Where over a slice of a constant triangle. */
function gpt(random: Random) {
  const { batch, length, heads, size } = sizesOf(random);
  const hidden = heads * size;
  const b = new Block();
  const x = b.give('x', values(random, [batch, length, hidden]));
  const rows = b.add('Reshape', [x, b.ints([-1, hidden])]);
  const w = b.give('w', values(random, [hidden, 3 * hidden], { scale: 0.6 }));
  const gemm = b.add('Gemm', [rows, w, b.give('b', values(random, [3 * hidden]))]);
  const all = b.view(gemm, [b.size(x, 0), b.size(x, 1), 3 * hidden]);
  const parts = ['q', 'k', 'v'];
  b.nodes.push(makeNode('Split', [all, b.ints([hidden, hidden, hidden])], parts, attributesOf({ axis: 2 })));
  const [q, k, v] = parts.map((part) =>
    b.add('Transpose', [b.view(part, [b.size(part, 0), b.size(part, 1), heads, size])], {
      perm: [0, 2, 1, 3],
    }),
  ) as [string, string, string];
  const turned = b.add('Transpose', [k], { perm: [0, 1, 3, 2] });
  const root = b.give('scale', fixed(Tensor.float32([], [1 / Math.sqrt(size)])));
  const scores = b.add('Mul', [b.add('MatMul', [q, turned]), root]);
  const most = 4;
  const triangle = Uint8Array.from({ length: most * most }, (_, i) =>
    Number(i % most <= Math.floor(i / most)),
  );
  const whole = b.give('triangle', Tensor.of('bool', [1, 1, most, most], triangle));
  const end = b.add('Unsqueeze', [b.size(scores, 3), b.ints([0])]);
  const zero = b.ints([0]);
  const columns = b.add('Slice', [whole, zero, end, b.ints([3]), b.ints([1])]);
  const square = b.add('Slice', [columns, zero, end, b.ints([2]), b.ints([1])]);
  const low = b.give('low', fixed(Tensor.float32([], [-1e4])));
  const weights = b.add('Softmax', [b.add('Where', [square, scores, low])], { axis: -1 });
  const mixed = b.add('Transpose', [b.add('MatMul', [weights, v])], { perm: [0, 2, 1, 3] });
  return graphOf(b.nodes, b.given, [b.add('Reshape', [mixed, b.ints([0, 0, -1])])]);
}

/** The head of a classifier over embedded tokens: Gather, mean over what is not padding, Gelu by Erf, LogSoftmax. */
function classifier(random: Random) {
  const b = new Block();
  const [batch, length, width, classes] = [2, 3, 4, 3];
  const table = b.give('table', values(random, [5, width]));
  const ids = Array.from({ length: batch * length }, () => random.below(5));
  const rows = b.add('Gather', [table, b.give('ids', fed(Tensor.int64([batch, length], ids)))]);
  const mean = b.add('ReduceMean', [rows, b.ints([1])], { keepdims: 0 });
  const h = linear(b, random, mean, width, width);
  const number = (value: number) => b.give('n', fixed(Tensor.float32([], [value])));
  const inner = b.add('Add', [b.add('Erf', [b.add('Div', [h, number(Math.SQRT2)])]), number(1)]);
  const gelu = b.add('Mul', [b.add('Mul', [h, inner]), number(0.5)]);
  return graphOf(b.nodes, b.given, [
    b.add('LogSoftmax', [linear(b, random, gelu, width, classes)], { axis: -1 }),
  ]);
}

/** Whole pieces of models, written as the common exporters write them: shapes computed in the graph, masks, residuals. */
export const BLOCK_CASES: readonly GradientCase[] = [
  { name: 'self-attention of BERT', ops: ['MatMul', 'Softmax', 'Transpose', 'Reshape', 'Div'], make: bert },
  { name: 'self-attention of GPT-2', ops: ['Gemm', 'Split', 'Where', 'Softmax', 'Mul'], make: gpt },
  { name: 'classifier over tokens', ops: ['Gather', 'ReduceMean', 'Erf', 'LogSoftmax'], make: classifier },
];
