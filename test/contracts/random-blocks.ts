import { attr, Tensor } from '../../src/graph/index.ts';
import type { Builder } from './random-graph.ts';

/** A value of a random graph; its first dimension is the batch. */
export interface Value {
  readonly name: string;
  readonly dims: readonly number[];
}

/** A piece that a random graph is made of. */
interface Block {
  fits(dims: readonly number[], b: Builder): boolean;
  build(b: Builder, x: Value): Value;
}

const image = (dims: readonly number[]) => dims.length === 4 && dims[2]! >= 3 && dims[3]! >= 3;
const matrix = (dims: readonly number[]) => dims.length === 2;
const sequence = (dims: readonly number[]) => dims.length === 3;
const any = () => true;
const block = (fits: Block['fits'], build: Block['build']): Block => ({ fits, build });

function conv(b: Builder, x: Value, transpose = false): Value {
  const channels = x.dims[1]!;
  const depthwise = !transpose && b.chance(0.25);
  const out = depthwise ? channels : b.pick([2, 4, 5]);
  const kernel = b.pick([1, 3]);
  const pad = kernel === 3 && b.chance(0.7) ? 1 : 0;
  const weight = b.floats(
    'w',
    transpose ? [channels, out, kernel, kernel] : [out, depthwise ? 1 : channels, kernel, kernel],
    0.5,
  );
  const inputs = b.chance(0.5) ? [x.name, weight, b.floats('b', [out])] : [x.name, weight];
  const grow = (transpose ? 1 : -1) * (kernel - 1 - 2 * pad);
  return b.op(
    transpose ? 'ConvTranspose' : 'Conv',
    inputs,
    [
      x.dims[0]!,
      out,
      x.dims[2]! + (transpose ? kernel - 1 - 2 * pad : grow),
      x.dims[3]! + (transpose ? kernel - 1 - 2 * pad : grow),
    ],
    {
      kernel_shape: attr.ints([kernel, kernel]),
      pads: attr.ints([pad, pad, pad, pad]),
      ...(depthwise ? { group: attr.int(channels) } : {}),
    },
  );
}

function batchNorm(b: Builder, x: Value): Value {
  const c = [x.dims[1]!];
  const variance = b.constant(
    'var',
    Tensor.float32(
      c,
      Float32Array.from({ length: c[0]! }, () => 0.2 + b.random.uniform()),
    ),
  );
  return b.op(
    'BatchNormalization',
    [x.name, b.floats('gamma', c, 0.5, 1), b.floats('beta', c), b.floats('mean', c), variance],
    x.dims,
    { epsilon: attr.float(1e-3) },
  );
}

const perChannel = (b: Builder, x: Value) => {
  const dims = [x.dims[1]!, 1, 1];
  return b.chance(0.2)
    ? b.floats('k', [], 0.5, 1)
    : b.floats('k', b.chance(0.3) ? [1, ...dims] : dims, 0.5, 1.5);
};

const keep = (b: Builder, op: string, x: Value, attributes = {}) => b.op(op, [x.name], x.dims, attributes);

function axesOp(
  b: Builder,
  op: string,
  x: Value,
  axes: number[],
  dims: readonly number[],
  since: number,
): Value {
  return b.opset >= since
    ? b.op(op, [x.name, b.ints('axes', axes)], dims)
    : b.op(op, [x.name], dims, { axes: attr.ints(axes) });
}

function reshape(b: Builder, x: Value, dims: readonly number[]): Value {
  if (b.chance(0.4) || b.batch === 2) {
    // The target as exporters write it: the batch taken from the shape at run time.
    const shape = b.op('Shape', [x.name], [x.dims.length]);
    const first = b.op('Gather', [shape.name, b.constant('zero', Tensor.int64([], [0]))], [], {
      axis: attr.int(0),
    });
    const head = axesOp(b, 'Unsqueeze', first, [0], [1], 13);
    const target = b.op('Concat', [head.name, b.ints('rest', dims.slice(1))], [dims.length], {
      axis: attr.int(0),
    });
    return b.op('Reshape', [x.name, target.name], dims);
  }
  const first = b.batch === 1 ? b.pick([1, 0, -1]) : b.pick([0, -1]);
  return b.op('Reshape', [x.name, b.ints('target', [first, ...dims.slice(1)])], dims);
}

function matMul(b: Builder, x: Value, out: number): Value {
  const k = x.dims.at(-1)!;
  // Now and then the weight is computed from constants.
  const weight = b.chance(0.3)
    ? b.op('Mul', [b.floats('w', [k, out], 0.5), b.floats('s', [out], 0.2, 1)], [k, out]).name
    : b.floats('w', [k, out], 0.5);
  return b.op('MatMul', [x.name, weight], [...x.dims.slice(0, -1), out]);
}

function clip(b: Builder, x: Value): Value {
  if (b.opset < 11) return keep(b, 'Clip', x, { min: attr.float(-1), max: attr.float(1.5) });
  const bound = (value: number) => b.constant('bound', Tensor.float32([], [value]));
  return b.op('Clip', [x.name, bound(-1), bound(1.5)], x.dims);
}

function pad(b: Builder, x: Value): Value {
  const pads = [0, 0, 1, 0, 0, 0, 1, 2];
  const dims = [x.dims[0]!, x.dims[1]!, x.dims[2]! + 2, x.dims[3]! + 2];
  return b.opset < 11
    ? b.op('Pad', [x.name], dims, { pads: attr.ints(pads) })
    : b.op('Pad', [x.name, b.ints('pads', pads)], dims);
}

function slice(b: Builder, x: Value): Value {
  const dims = [x.dims[0]!, Math.ceil(x.dims[1]! / 2), ...x.dims.slice(2)];
  return b.opset < 10
    ? b.op('Slice', [x.name], dims, {
        starts: attr.ints([0]),
        ends: attr.ints([dims[1]!]),
        axes: attr.ints([1]),
      })
    : b.op('Slice', [x.name, b.ints('starts', [0]), b.ints('ends', [dims[1]!]), b.ints('axes', [1])], dims);
}

function reduce(b: Builder, x: Value, op: string, since: number): Value {
  const dims = x.dims.map((dim, i) => (i === x.dims.length - 1 ? 1 : dim));
  const reduced = axesOp(b, op, x, [x.dims.length - 1], dims, since);
  return b.op('Sub', [x.name, reduced.name], x.dims);
}

function upsample(b: Builder, x: Value): Value {
  const dims = [x.dims[0]!, x.dims[1]!, 2 * x.dims[2]!, 2 * x.dims[3]!];
  const [scales, mode] = [[1, 1, 2, 2], attr.string(b.pick(['nearest', 'linear']))];
  if (b.opset < 9) return b.op('Upsample', [x.name], dims, { mode, scales: attr.floats(scales) });
  const input = b.constant('scales', Tensor.float32([4], scales));
  if (b.opset < 10) return b.op('Upsample', [x.name, input], dims, { mode });
  if (b.opset < 11) return b.op('Resize', [x.name, input], dims, { mode });
  return b.op('Resize', [x.name, b.constant('roi', Tensor.float32([0], [])), input], dims, { mode });
}

function split(b: Builder, x: Value): Value {
  const half = [x.dims[0]!, x.dims[1]! / 2, ...x.dims.slice(2)];
  const one = b.op('Split', [x.name], half, {
    axis: attr.int(1),
    ...(b.opset >= 18 ? { num_outputs: attr.int(2) } : {}),
  });
  const other = b.fresh('split');
  b.nodes.at(-1)!.outputs.push(other);
  return b.op('Concat', [other, one.name], x.dims, { axis: attr.int(1) });
}

function attention(b: Builder, x: Value): Value {
  const d = x.dims[2]!;
  const [q, k, v] = [matMul(b, x, d), matMul(b, x, d), matMul(b, x, d)];
  const turned = b.op('Transpose', [k.name], [x.dims[0]!, d, x.dims[1]!], { perm: attr.ints([0, 2, 1]) });
  const scores = b.op('MatMul', [q.name, turned.name], [x.dims[0]!, x.dims[1]!, x.dims[1]!]);
  const scaled = b.op(
    'Div',
    [scores.name, b.constant('root', Tensor.float32([], [Math.sqrt(d)]))],
    scores.dims,
  );
  const weights = keep(b, 'Softmax', scaled, { axis: attr.int(2) });
  const mixed = b.op('MatMul', [weights.name, v.name], x.dims);
  return b.op('Add', [mixed.name, x.name], x.dims);
}

/** Every block by name; each takes and gives a value whose first dimension is the batch. */
export const BLOCKS: Readonly<Record<string, Block>> = {
  conv: block(image, (b, x) => conv(b, x)),
  'conv-bn-relu': block(image, (b, x) => keep(b, 'Relu', batchNorm(b, conv(b, x)))),
  'conv-mul-add': block(image, (b, x) => {
    const y = conv(b, x);
    const z = b.op(b.pick(['Mul', 'Div']), [y.name, perChannel(b, y)], y.dims);
    const k = perChannel(b, y);
    return b.op(b.pick(['Add', 'Sub']), b.chance(0.5) ? [k, z.name] : [z.name, k], y.dims);
  }),
  'transposed-conv-bn': block(image, (b, x) => batchNorm(b, conv(b, x, true))),
  'pad-conv': block(image, (b, x) => conv(b, pad(b, x))),
  'batch-norm': block((dims) => dims.length >= 2, batchNorm),
  'bn-conv': block(image, (b, x) => conv(b, batchNorm(b, keep(b, 'Relu', x)))),
  'bn-gemm': block(matrix, (b, x) => BLOCKS.gemm!.build(b, batchNorm(b, keep(b, 'Relu', x)))),
  residual: block(image, (b, x) => {
    const y = keep(b, 'Relu', batchNorm(b, conv(b, x)));
    const back = b.op(
      'Conv',
      [y.name, b.floats('w', [x.dims[1]!, y.dims[1]!, 1, 1], 0.5)],
      [x.dims[0]!, x.dims[1]!, ...y.dims.slice(2)],
      { kernel_shape: attr.ints([1, 1]) },
    );
    return back.dims.join() === x.dims.join() ? b.op('Add', [back.name, x.name], x.dims) : back;
  }),
  pool: block(
    (dims) => image(dims) && dims[2]! >= 4 && dims[3]! >= 4,
    (b, x) =>
      b.op(
        b.pick(['MaxPool', 'AveragePool']),
        [x.name],
        [x.dims[0]!, x.dims[1]!, Math.floor(x.dims[2]! / 2), Math.floor(x.dims[3]! / 2)],
        { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) },
      ),
  ),
  upsample: block((dims) => image(dims) && dims[2]! <= 8, upsample),
  flatten: block(image, (b, x) => {
    const dims = [x.dims[0]!, x.dims[1]! * x.dims[2]! * x.dims[3]!];
    return b.chance(0.4) ? b.op('Flatten', [x.name], dims) : reshape(b, x, dims);
  }),
  'to-sequence': block(image, (b, x) => {
    const [n, c, h, w] = x.dims as [number, number, number, number];
    const flat = reshape(b, x, [n, c, h * w]);
    return b.op('Transpose', [flat.name], [n, h * w, c], { perm: attr.ints([0, 2, 1]) });
  }),
  pooled: block(image, (b, x) => {
    const y = b.op('GlobalAveragePool', [x.name], [x.dims[0]!, x.dims[1]!, 1, 1]);
    return axesOp(b, 'Squeeze', y, [2, 3], x.dims.slice(0, 2), 13);
  }),
  gemm: block(matrix, (b, x) => {
    const [k, out] = [x.dims[1]!, b.pick([3, 4, 6])];
    const turned = b.chance(0.5);
    return b.op(
      'Gemm',
      [x.name, b.floats('w', turned ? [out, k] : [k, out], 0.5), b.floats('c', b.chance(0.8) ? [out] : [1])],
      [x.dims[0]!, out],
      {
        transB: attr.int(turned ? 1 : 0),
        ...(b.chance(0.3) ? { alpha: attr.float(0.5), beta: attr.float(1.5) } : {}),
      },
    );
  }),
  'gemm-bn': block(matrix, (b, x) => batchNorm(b, BLOCKS.gemm!.build(b, x))),
  'matmul-add': block(
    (dims) => dims.length < 4,
    (b, x) => {
      const y = matMul(b, x, b.pick([4, 6]));
      const z = b.op('Add', [y.name, b.floats('c', [y.dims.at(-1)!])], y.dims);
      if (b.chance(0.5)) return z;
      return b.op('Mul', [z.name, b.floats('s', [z.dims.at(-1)!], 0.3, 1)], z.dims);
    },
  ),
  'matmul-bn': block(matrix, (b, x) => batchNorm(b, matMul(b, x, 4))),
  attention: block(sequence, attention),
  activation: block(any, (b, x) => keep(b, b.pick(['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu']), x)),
  clip: block(any, clip),
  prelu: block(
    (dims) => dims.length >= 3,
    (b, x) =>
      b.op('PRelu', [x.name, b.floats('slope', [x.dims[1]!, ...x.dims.slice(2).map(() => 1)], 0.2)], x.dims),
  ),
  softmax: block(any, (b, x) =>
    keep(b, 'Softmax', x, { axis: attr.int(1 + b.random.below(x.dims.length - 1)) }),
  ),
  'reduce-sum': block(any, (b, x) => reduce(b, x, 'ReduceSum', 13)),
  'reduce-mean': block(any, (b, x) => reduce(b, x, 'ReduceMean', 18)),
  slice: block((dims) => dims[1]! > 1, slice),
  split: block((dims) => dims[1]! % 2 === 0, split),
  dropout: block(any, (b, x) => keep(b, 'Dropout', x)),
  identity: block(any, (b, x) => keep(b, 'Identity', x)),
  neutral: block(any, (b, x) => {
    const [op, value] = b.pick([
      ['Mul', 1],
      ['Add', 0],
      ['Div', 1],
      ['Sub', 0],
    ] as const);
    return b.op(op, [x.name, b.constant('neutral', Tensor.float32([1], [value]))], x.dims);
  }),
  cast: block(any, (b, x) => keep(b, 'Cast', x, { to: attr.int(1) })),
  'transpose-twice': block(
    (dims) => dims.length >= 3,
    (b, x) => {
      const perm = x.dims.map((_, i) => (i === 1 ? 2 : i === 2 ? 1 : i));
      const dims = perm.map((axis) => x.dims[axis]!);
      const once = b.op('Transpose', [x.name], dims, { perm: attr.ints(perm) });
      return b.op('Transpose', [once.name], x.dims, { perm: attr.ints(perm) });
    },
  ),
  'reshape-twice': block(
    (dims) => dims.length >= 3,
    (b, x) => {
      const flat = reshape(b, x, [x.dims[0]!, x.dims.slice(1).reduce((a, c) => a * c, 1)]);
      return reshape(b, flat, x.dims);
    },
  ),
  twins: block(any, (b, x) => {
    const [one, two] = [keep(b, 'Tanh', x), keep(b, 'Tanh', x)];
    return b.op('Mul', [one.name, two.name], x.dims);
  }),
  dead: block(any, (b, x) => {
    keep(b, 'Exp', x);
    return keep(b, 'Neg', x);
  }),
};
