import type { Dataset } from '../src/data/index.ts';
import { attr, type Model, Tensor } from '../src/graph/index.ts';
import { Net, normalData } from './quantize-nets.ts';

/** Channels of the values between the layers. */
export const WIDTH = 24;
const TOKENS = 5;

/** A row of factors in which some channels are far larger than the others. */
function unevenRow(net: Net, channels = WIDTH): string {
  const values = Float32Array.from(
    { length: channels },
    (_, i) => (i % 7 === 3 ? 30 : 1) * (0.5 + net.random.uniform()),
  );
  return net.constant(Tensor.float32([channels], values));
}

const scalar = (net: Net, value: number) => net.constant(Tensor.float32([], [value]));
const norm = (net: Net, x: string) =>
  net.op('LayerNormalization', [x, unevenRow(net), net.weight([WIDTH], 0.5)]);

/** Pieces that keep the width: [..., WIDTH] in and out, a matrix product of an uneven value in each. */
const PIECES: Readonly<Record<string, (net: Net, x: string) => string>> = {
  attention(net, x) {
    const y = norm(net, x);
    const [q, k, v] = [0, 1, 2].map(() => net.matmul(y, WIDTH, WIDTH)) as [string, string, string];
    const turned = net.op('Transpose', [k], { perm: attr.ints([0, 2, 1]) });
    const scores = net.op('Softmax', [net.op('Div', [net.op('MatMul', [q, turned]), scalar(net, 5)])]);
    return net.op('Add', [x, net.matmul(net.op('MatMul', [scores, v]), WIDTH, WIDTH)]);
  },
  'normalization without bias': (net, x) =>
    net.matmul(net.op('LayerNormalization', [x, unevenRow(net)]), WIDTH, WIDTH),
  'rows of Mul and Add': (net, x) => {
    const scaled = net.op('Mul', [unevenRow(net), net.op('Tanh', [x])]);
    return net.matmul(net.op('Add', [scaled, net.weight([1, WIDTH], 3)]), WIDTH, WIDTH);
  },
  'Sub of a number': (net, x) => {
    const scaled = net.op('Mul', [net.op('Tanh', [x]), unevenRow(net)]);
    return net.matmul(net.op('Sub', [scalar(net, 0.7), scaled]), WIDTH, WIDTH);
  },
  'one factor for all': (net, x) => {
    const scaled = net.op('Mul', [net.op('Tanh', [x]), unevenRow(net)]);
    return net.matmul(net.op('Mul', [scaled, scalar(net, 3)]), WIDTH, WIDTH);
  },
  'layer and Relu': (net, x) => {
    const biased = net.op('Add', [net.matmul(x, WIDTH, 40), unevenRow(net, 40)]);
    return net.matmul(net.relu(biased), 40, WIDTH);
  },
  'LeakyRelu and Div': (net, x) => {
    const y = net.op('LeakyRelu', [net.op('Mul', [net.op('Tanh', [x]), unevenRow(net)])], {
      alpha: attr.float(0.2),
    });
    return net.matmul(net.op('Div', [y, scalar(net, 5)]), WIDTH, WIDTH);
  },
  PRelu: (net, x) => {
    const y = net.op('PRelu', [
      net.op('Mul', [net.op('Tanh', [x]), unevenRow(net)]),
      net.weight([WIDTH], 0.3),
    ]);
    return net.matmul(y, WIDTH, WIDTH);
  },
  gated(net, x) {
    const [gate, up] = [net.matmul(x, WIDTH, 40), net.matmul(x, WIDTH, 40)];
    const open = net.op('Mul', [gate, net.op('Sigmoid', [gate])]);
    return net.matmul(net.op('Mul', [open, net.op('Mul', [up, unevenRow(net, 40)])]), 40, WIDTH);
  },
  'nothing to fold into'(net, x) {
    const y = net.op('Mul', [net.op('Tanh', [x]), unevenRow(net)]);
    return net.op('Add', [net.matmul(y, WIDTH, WIDTH), net.op('Tanh', [y])]);
  },
};

export const LINEAR_PIECES = Object.keys(PIECES);

/** A net of some of these pieces on [N, TOKENS, WIDTH], with the seed's choice or the one asked for, and its data. */
export function linearNet(
  seed: number,
  only?: string,
): { model: Model; data: Dataset; dims: readonly number[] } {
  const net = new Net(seed);
  let x = 'x';
  const pieces =
    only === undefined
      ? Array.from({ length: 3 }, () => LINEAR_PIECES[net.random.below(LINEAR_PIECES.length)]!)
      : [only];
  for (const piece of pieces) x = PIECES[piece]!(net, x);
  const dims = [TOKENS, WIDTH];
  return { model: net.model(['N', ...dims], [x]), data: normalData(dims, 24, seed), dims };
}

/** The same on rows: Gemm in both layouts, with biases of any shape. Input [N, WIDTH]. */
export function gemmNet(seed: number): { model: Model; data: Dataset; dims: readonly number[] } {
  const net = new Net(seed);
  const biased = (x: string, from: number, to: number, bias: string, transposed: boolean) =>
    net.op('Gemm', [x, net.weight(transposed ? [to, from] : [from, to], 0.3), bias], {
      transB: attr.int(transposed ? 1 : 0),
    });
  const a = net.relu(biased(norm(net, 'x'), WIDTH, 32, unevenRow(net, 32), seed % 2 === 0));
  const b = net.relu(biased(a, 32, 40, net.constant(Tensor.float32([1], [0.3])), true));
  const c = biased(b, 40, WIDTH, unevenRow(net), false);
  return {
    model: net.model(['N', WIDTH], [biased(c, WIDTH, 6, net.weight([1, 6]), true)]),
    data: normalData([WIDTH], 40, seed),
    dims: [WIDTH],
  };
}
