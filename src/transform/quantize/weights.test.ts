import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normals } from '../../../test/quantize-nets.ts';
import { ModicumError, Random } from '../../base/index.ts';
import { attr, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { BLOCK_SIZES, type BlockSize, quantizeBlocks } from './blocks.ts';
import { dequantizeWeight } from './fusion-rewrite.ts';
import { unpackNibbles } from './numbers.ts';
import { biasFloor, quantizeBias, quantizeOperand, quantizeWeight } from './weights.ts';

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

test('a weight is at most half a step off, in each channel of any axis', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.nat(1000),
      (dims, pick, seed) => {
        const axis = pick % dims.length;
        const weight = normals(new Random(seed), dims, 3);
        const made = quantizeWeight(weight, { axis });
        assert.deepEqual(made.scale.dims, [dims[axis]]);
        assert.ok(made.zeroPoint.numbers().every((zero) => zero === 0));
        const back = dequantizeWeight(made).as('float32');
        const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
        const scales = made.scale.as('float32');
        weight.as('float32').forEach((value, i) => {
          const scale = scales[Math.floor(i / inner) % dims[axis]!]!;
          assert.ok(Math.abs(value - back[i]!) <= scale * 0.5001);
        });
      },
    ),
    { seed: 5, numRuns: 60 },
  );
});

test('least squares never lose to minmax', () => {
  const weight = normals(new Random(3), [4, 200], 1);
  const error = (fit: 'minmax' | 'mse') => {
    const back = dequantizeWeight(quantizeWeight(weight, { axis: 0, fit, reduce: true })).as('float32');
    return weight.as('float32').reduce((sum, value, i) => sum + (value - back[i]!) ** 2, 0);
  };
  assert.ok(error('mse') <= error('minmax'));
});

test('reduced range keeps to 7 bits', () => {
  const q = quantizeWeight(normals(new Random(1), [8, 8]), { axis: 0, reduce: true }).values.as('int8');
  assert.ok(q.every((value) => Math.abs(value) <= 64));
});

test('weights that are not finite are refused', () => {
  const weight = Tensor.float32([2, 2], [1, Number.NaN, 2, 3]);
  const refused = (error: unknown) => error instanceof ModicumError && error.code === 'MODEL_INVALID';
  assert.throws(() => quantizeWeight(weight, { axis: 0 }), refused);
  assert.throws(() => quantizeOperand(weight, 'uint8'), refused);
  const options = { bits: 4, blockSize: 16, symmetric: true, fit: 'minmax' } as const;
  assert.throws(() => quantizeBlocks(weight, false, options), refused);
});

test('a bias too large for its scale enlarges the scale of its channel, and is kept', () => {
  const weight = Tensor.float32([2, 2], [1e-9, 1e-9, 1, 1]);
  const bias = Tensor.float32([2], [50, 50]);
  const plain = quantizeWeight(weight, { axis: 0 });
  const lost = quantizeBias(bias, 0.1, plain.scale.as('float32')).values.as('int32');
  assert.equal(lost[0], 2 ** 31 - 1, 'the plain scale would saturate');
  const fixed = quantizeWeight(weight, { axis: 0, floor: biasFloor(bias, 0.1, 2) });
  const made = quantizeBias(bias, 0.1, fixed.scale.as('float32'));
  for (const value of dequantizeWeight(made).as('float32')) assert.ok(Math.abs(value - 50) < 1e-4);
  assert.equal(fixed.scale.as('float32')[1], plain.scale.as('float32')[1]);
});

test('an operand covers its values in the dtype of its neighbour', () => {
  for (const type of ['uint8', 'int8'] as const) {
    const operand = normals(new Random(2), [30], 2, 1);
    const made = quantizeOperand(operand, type);
    assert.equal(made.values.dtype, type);
    const back = dequantizeWeight(made).as('float32');
    const step = made.scale.numbers()[0]!;
    operand.as('float32').forEach((value, i) => {
      assert.ok(Math.abs(value - back[i]!) <= step * 1.001);
    });
  }
});

/** The weight [K, N] that a packed one stands for, by the rules of MatMulNBits. */
function unpacked(made: ReturnType<typeof quantizeBlocks>, bits: 4 | 8, block: number): Float32Array {
  const blocks = Math.ceil(made.k / block);
  const bytes = made.packed.as('uint8');
  const scales = made.scales.as('float32');
  const q = bits === 8 ? bytes : unpackNibbles(bytes, bytes.length * 2);
  const row = bits === 8 ? blocks : Math.ceil(blocks / 2) * 2;
  const zeroBytes = made.zeroPoints?.as('uint8');
  const zeros = zeroBytes && (bits === 8 ? zeroBytes : unpackNibbles(zeroBytes, zeroBytes.length * 2));
  const real = new Float32Array(made.k * made.n);
  for (let n = 0; n < made.n; n++) {
    for (let k = 0; k < made.k; k++) {
      const b = Math.floor(k / block);
      const zero = zeros === undefined ? 2 ** (bits - 1) : zeros[n * row + b]! & 255;
      real[k * made.n + n] =
        ((q[(n * blocks + b) * block + (k % block)]! & 255) - zero) * scales[n * blocks + b]!;
    }
  }
  return real;
}

async function matMulNBits(
  made: ReturnType<typeof quantizeBlocks>,
  bits: number,
  block: number,
  x: Tensor,
): Promise<Float32Array> {
  const inputs = ['x', 'b', 's', ...(made.zeroPoints ? ['z'] : [])];
  const node = makeNode(
    'MatMulNBits',
    inputs,
    ['y'],
    {
      K: attr.int(made.k),
      N: attr.int(made.n),
      bits: attr.int(bits),
      block_size: attr.int(block),
      accuracy_level: attr.int(1),
    },
    { domain: 'com.microsoft' },
  );
  const initializers = new Map([
    ['b', made.packed],
    ['s', made.scales],
  ]);
  if (made.zeroPoints) initializers.set('z', made.zeroPoints);
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', x.dims) }],
    outputs: [{ name: 'y', type: tensorType('float32', [x.dims[0]!, made.n]) }],
    nodes: [node],
    initializers,
  });
  const model = makeModel(graph, 17, { irVersion: 8 });
  model.opsets.set('com.microsoft', 1);
  const session = await openSession(model, { threads: 1 });
  try {
    return (await session.run({ x })).y!.as('float32');
  } finally {
    await session.dispose();
  }
}

test('blocks: MatMulNBits of ONNX Runtime reads them as we wrote them, and each weight is within its step', async () => {
  for (const [bits, symmetric, blockSize, k] of [
    [4, true, 16, 50],
    [4, false, 32, 70],
    [4, false, 16, 80],
    [8, true, 64, 64],
    [8, false, 32, 33],
    [4, true, 256, 300],
  ] as const) {
    const n = 24;
    const weight = normals(new Random(k), [k, n], 1, 0.2);
    const made = quantizeBlocks(weight, false, { bits, symmetric, blockSize, fit: 'minmax' });
    const real = unpacked(made, bits, blockSize);
    const blocks = Math.ceil(k / blockSize);
    const scales = made.scales.as('float32');
    weight.as('float32').forEach((value, i) => {
      const scale = scales[(i % n) * blocks + Math.floor(Math.floor(i / n) / blockSize)]!;
      assert.ok(Math.abs(value - real[i]!) <= Math.abs(scale) * 1.01, `${bits} ${symmetric} ${i}`);
    });
    const x = normals(new Random(9), [3, k]);
    const wanted = new Float32Array(3 * n);
    const values = x.as('float32');
    for (let row = 0; row < 3; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += values[row * k + i]! * real[i * n + column]!;
        wanted[row * n + column] = sum;
      }
    }
    const got = await matMulNBits(made, bits, blockSize, x);
    got.forEach((value, i) => {
      assert.ok(Math.abs(value - wanted[i]!) < 1e-3 * largest(wanted), `${value} ${wanted[i]}`);
    });
  }
});

test('blocks: a transposed weight packs alike; least squares never lose; the error is told', () => {
  const weight = normals(new Random(4), [64, 8]);
  const turned = new Float32Array(512);
  weight.as('float32').forEach((value, i) => {
    turned[(i % 8) * 64 + Math.floor(i / 8)] = value;
  });
  for (const blockSize of BLOCK_SIZES as readonly BlockSize[]) {
    const options = { bits: 4, blockSize, symmetric: false, fit: 'minmax' } as const;
    const a = quantizeBlocks(weight, false, options);
    const b = quantizeBlocks(Tensor.float32([8, 64], turned), true, options);
    assert.deepEqual([...a.packed.bytes()], [...b.packed.bytes()]);
    const better = quantizeBlocks(weight, false, { ...options, fit: 'mse' });
    assert.ok(better.relativeError <= a.relativeError);
    const real = unpacked(a, 4, blockSize);
    let lost = 0;
    let total = 0;
    weight.as('float32').forEach((value, i) => {
      lost += (value - real[i]!) ** 2;
      total += value ** 2;
    });
    assert.ok(Math.abs(lost / total - a.relativeError) < 1e-6);
  }
});
