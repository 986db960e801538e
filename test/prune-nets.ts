import { attr, type Dim, type Model, Tensor } from '../src/graph/index.ts';
import { Net } from './quantize-nets.ts';

/** Builds nets with all that ties channels together, for tests of pruning. */
export class PruneNet extends Net {
  norm(x: string, channels: number): string {
    const vector = (spread: number, mean: number) => this.weight([channels], spread, mean);
    const variance = this.constant(
      Tensor.float32(
        [channels],
        Float32Array.from({ length: channels }, () => 0.5 + this.random.uniform()),
      ),
    );
    return this.op('BatchNormalization', [x, vector(0.3, 1), vector(0.3, 0), vector(0.3, 0), variance]);
  }

  ints(values: readonly number[]): string {
    return this.constant(Tensor.int64([values.length], values));
  }

  reshape(x: string, target: readonly number[]): string {
    return this.op('Reshape', [x, this.ints(target)]);
  }

  transpose(x: string, perm: readonly number[]): string {
    return this.op('Transpose', [x], { perm: attr.ints(perm) });
  }

  linear(x: string, from: number, to: number): string {
    return this.op('Add', [this.matmul(x, from, to), this.weight([to], 0.1)]);
  }

  layerNorm(x: string, size: number): string {
    return this.op('LayerNormalization', [x, this.weight([size], 0.2, 1), this.weight([size], 0.2)], {
      axis: attr.int(-1),
    });
  }

  /** Self-attention as exporters write it: x [N, steps, size] to the same. */
  attention(x: string, steps: number, size: number, heads: number, width: number): string {
    const part = () => this.reshape(this.linear(x, size, heads * width), [0, steps, heads, width]);
    const q = this.transpose(part(), [0, 2, 1, 3]);
    const k = this.transpose(part(), [0, 2, 3, 1]);
    const v = this.transpose(part(), [0, 2, 1, 3]);
    const scores = this.op('Mul', [
      this.op('MatMul', [q, k]),
      this.constant(Tensor.float32([], [width ** -0.5])),
    ]);
    const mixed = this.op('MatMul', [this.op('Softmax', [scores], { axis: attr.int(-1) }), v]);
    const joined = this.reshape(this.transpose(mixed, [0, 2, 1, 3]), [0, steps, heads * width]);
    return this.linear(joined, heads * width, size);
  }
}

const pool = { kernel_shape: attr.ints([2, 2]), strides: attr.ints([2, 2]) };
const channels = { axis: attr.int(1) };

/** Nets by what they show; input x. */
export const PRUNE_NETS: Readonly<Record<string, (seed: number, batch?: Dim) => Model>> = {
  'conv, norm, flatten, gemm': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.relu(net.norm(net.conv('x', 3, 8, 3, 1, false), 8));
    const b = net.relu(net.conv(net.op('MaxPool', [a], pool), 8, 12));
    const c = net.relu(net.gemm(net.op('Flatten', [b]), 12 * 16, 10, true));
    return net.model([batch, 3, 8, 8], [net.gemm(c, 10, 5)]);
  },
  'residual and depthwise': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.conv('x', 3, 8);
    const b = net.norm(net.conv(net.relu(a), 8, 8, 3, 8), 8);
    const c = net.op('PRelu', [net.conv(b, 8, 8, 1), net.weight([8, 1, 1], 0.2)]);
    const d = net.op('Add', [a, c]);
    const e = net.op('Mul', [d, net.weight([1, 8, 1, 1], 0.3, 1)]);
    const f = net.op('GlobalAveragePool', [net.conv(e, 8, 6)]);
    return net.model([batch, 3, 6, 6], [net.gemm(net.reshape(f, [-1, 6]), 6, 4)]);
  },
  'concat, split, slice': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.relu(net.conv('x', 3, 8));
    const b = net.relu(net.conv('x', 3, 6));
    const c = net.op('Concat', [a, b, 'x'], channels);
    net.op('Split', [net.relu(c), net.ints([5, 12])], channels, ['left', 'right']);
    const d = net.op('Slice', ['right', net.ints([2]), net.ints([-1]), net.ints([1])]);
    const e = net.op('Concat', [net.conv('left', 5, 6), net.conv(d, 9, 4)], channels);
    return net.model([batch, 3, 5, 5], [net.conv(e, 10, 3, 1)]);
  },
  'grouped and transposed convolutions': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.relu(net.conv('x', 3, 8));
    const b = net.relu(net.conv(a, 8, 12, 3, 4));
    const weight = net.weight([12, 3, 2, 2], 0.3);
    const c = net.op('ConvTranspose', [b, weight, net.weight([9], 0.1)], {
      group: attr.int(3),
      strides: attr.ints([2, 2]),
    });
    const d = net.op('DepthToSpace', [net.conv(c, 9, 8, 1)], { blocksize: attr.int(2) });
    return net.model([batch, 3, 4, 4], [net.conv(net.relu(d), 2, 3)]);
  },
  attention: (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.linear('x', 6, 12);
    const b = net.op('Add', [a, net.attention(a, 5, 12, 3, 4)]);
    const c = net.op('Gelu', [net.linear(b, 12, 16)]);
    const d = net.op('Add', [b, net.linear(c, 16, 12)]);
    return net.model([batch, 5, 6], [net.linear(d, 12, 4)], 20);
  },
  'transformer with norms': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.linear('x', 6, 12);
    const b = net.op('Add', [a, net.attention(net.layerNorm(a, 12), 5, 12, 3, 4)]);
    const c = net.relu(net.linear(net.layerNorm(b, 12), 12, 16));
    const d = net.layerNorm(net.op('Add', [b, net.linear(c, 16, 12)]), 12);
    return net.model([batch, 5, 6], [net.linear(d, 12, 4)]);
  },
  'instance and group norm': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.conv('x', 3, 8);
    const b = net.relu(net.op('InstanceNormalization', [a, net.weight([8], 0.2, 1), net.weight([8], 0.2)]));
    const c = net.conv(b, 8, 12);
    // Group norm as exporters write it.
    const rows = net.reshape(c, [0, 4, -1]);
    const ones = net.constant(Tensor.float32([4], [1, 1, 1, 1]));
    const zeros = net.constant(Tensor.float32([4], [0, 0, 0, 0]));
    const normal = net.op('InstanceNormalization', [rows, ones, zeros]);
    const d = net.op('Mul', [net.reshape(normal, [0, 12, 5, 5]), net.weight([12, 1, 1], 0.2, 1)]);
    return net.model([batch, 3, 5, 5], [net.conv(net.relu(d), 12, 3)]);
  },
  recurrent: (seed) => {
    const net = new PruneNet(seed);
    const a = net.linear('x', 4, 6);
    const lstm = net.op(
      'LSTM',
      [a, net.weight([2, 32, 6], 0.4), net.weight([2, 32, 8], 0.4), net.weight([2, 64], 0.2)],
      { hidden_size: attr.int(8), direction: attr.string('bidirectional') },
    );
    const b = net.reshape(net.transpose(lstm, [0, 2, 1, 3]), [5, 2, 16]);
    const gru = net.op('GRU', [b, net.weight([1, 15, 16], 0.4), net.weight([1, 15, 5], 0.4)], {
      hidden_size: attr.int(5),
    });
    const c = net.op('Squeeze', [gru, net.ints([1])]);
    return net.model([5, 2, 4], [net.linear(c, 5, 3)]);
  },
  'shapes computed at run time': (seed, batch = 'N') => {
    const net = new PruneNet(seed);
    const a = net.relu(net.conv('x', 3, 8));
    const shape = net.op('Shape', [a]);
    const first = net.op('Gather', [shape, net.constant(Tensor.int64([1], [0]))]);
    const size = net.op('Gather', [shape, net.constant(Tensor.int64([1], [1]))]);
    const rest = net.op('Mul', [size, net.ints([16])]);
    const b = net.op('Reshape', [a, net.op('Concat', [first, rest], { axis: attr.int(0) })]);
    const c = net.op('Pad', [b, net.ints([0, 0, 0, 0])]);
    return net.model([batch, 3, 4, 4], [net.gemm(c, 128, 5)]);
  },
};
