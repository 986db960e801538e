import { Random } from '../../src/base/index.ts';
import { type Dataset, inMemory } from '../../src/data/index.ts';
import { type Model, Tensor, tensorType } from '../../src/graph/index.ts';
import { Net } from '../quantize-nets.ts';

const SIDE = 12;
export const DIRECTIONS = 12;

/** Pictures [1, 12, 12] of stripes under noise; the label is the direction of the stripes, one of twelve. */
export function gratings(samples: number, seed: number, labelled = true): Dataset {
  const random = new Random(seed);
  const x = new Float32Array(samples * SIDE * SIDE);
  const labels: number[] = [];
  for (let i = 0; i < samples; i++) {
    const label = random.below(DIRECTIONS);
    const angle = (Math.PI * label) / DIRECTIONS + 0.05 * random.normal();
    const phase = 2 * Math.PI * random.uniform();
    const pitch = 1.1 + 0.4 * random.uniform();
    for (let at = 0; at < SIDE * SIDE; at++) {
      const along = Math.cos(angle) * (at % SIDE) + Math.sin(angle) * Math.floor(at / SIDE);
      x[i * SIDE * SIDE + at] = Math.sin(pitch * along + phase) + 0.9 * random.normal();
    }
    labels.push(label);
  }
  return inMemory(
    { x: Tensor.float32([samples, 1, SIDE, SIDE], x) },
    labelled ? Tensor.int64([samples], labels) : undefined,
  );
}

/** A net for them: convolutions, a depthwise one among them, a residual add, an average and a Gemm. Untrained. */
export function gratingNet(seed = 1, width = 6): Model {
  const net = new Net(seed);
  const first = net.relu(net.conv('x', 1, width, 3));
  const deep = net.relu(net.conv(first, width, width, 3, width));
  const sum = net.op('Add', [first, net.relu(net.conv(deep, width, width, 1))]);
  const last = net.relu(net.conv(sum, width, 2 * width, 3));
  const pooled = net.op('GlobalAveragePool', [last]);
  const flat = net.op('Flatten', [pooled]);
  const model = net.model(['n', 1, SIDE, SIDE], [net.gemm(flat, 2 * width, DIRECTIONS)]);
  const { name } = model.graph.outputs[0]!;
  model.graph.outputs = [{ name, type: tensorType('float32', ['n', DIRECTIONS]) }];
  return model;
}
