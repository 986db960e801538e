import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mlp, normals, sqnr } from '../../../test/quantize-nets.ts';
import { type ModicumError, Random, SILENT } from '../../base/index.ts';
import type { Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { type FitOptions, fitBlock, quantizeBlock } from './block-fit.ts';
import { blockedValues, quantizeBlocks } from './blocks.ts';
import { hqqQuantization } from './hqq.ts';

/** Sum of |error|^0.7 of a block as it would be stored. */
function norm(real: Float64Array, options: FitOptions): number {
  const fit = fitBlock(real, options);
  const q = new Uint8Array(real.length);
  quantizeBlock(real, fit, options.bits, q);
  return real.reduce(
    (sum, value, i) => sum + Math.abs(value - (q[i]! - fit.zeroPoint) * fit.scale) ** 0.7,
    0,
  );
}

test('half-quadratic splitting makes the 0.7-norm of the errors smaller, with and without zero points', () => {
  for (const symmetric of [true, false]) {
    for (const size of [16, 128]) {
      const random = new Random(size);
      let [before, after] = [0, 0];
      for (let block = 0; block < 200; block++) {
        const spread = 10 ** ((block % 7) - 3);
        const real = Float64Array.from({ length: size }, () => random.normal() * spread);
        if (block % 3 === 0) real[1]! *= 6;
        const [squares, half] = [
          norm(real, { bits: 4, symmetric, fit: 'mse' }) / spread ** 0.7,
          norm(real, { bits: 4, symmetric, fit: 'hqq' }) / spread ** 0.7,
        ];
        // Powers come from a table: equal ones may differ by its coarseness.
        assert.ok(half <= squares * 1.002, `block ${block} of ${size}: ${half} against ${squares}`);
        before += squares;
        after += half;
      }
      assert.ok(after < before * 0.99, `${after} against ${before}`);
    }
  }
});

test('what 16 numbers express exactly stays exact; empty and constant blocks do no harm', () => {
  const steps = Float64Array.from({ length: 32 }, (_, i) => ((i % 16) - 5) * 0.25);
  assert.equal(norm(steps, { bits: 4, symmetric: false, fit: 'hqq' }), 0);
  for (const symmetric of [true, false]) {
    assert.equal(norm(new Float64Array(16), { bits: 4, symmetric, fit: 'hqq' }), 0);
    assert.ok(norm(new Float64Array(16).fill(-3), { bits: 4, symmetric, fit: 'hqq' }) < 1e-3);
  }
});

test('the real numbers of packed blocks are those that the kernel multiplies', () => {
  for (const transposed of [true, false]) {
    for (const bits of [4, 8] as const) {
      for (const symmetric of [true, false]) {
        const dims = transposed ? [6, 40] : [40, 6];
        const weight = normals(new Random(3), dims, 1, 0.3);
        const made = quantizeBlocks(weight, transposed, { bits, blockSize: 16, symmetric, fit: 'hqq' });
        const back = blockedValues(made, transposed, bits);
        assert.deepEqual(back.dims, dims);
        const lost = 10 ** (-sqnr(weight, back) / 10);
        assert.ok(Math.abs(lost - made.relativeError) < 1e-3 * made.relativeError, `${lost}`);
      }
    }
  }
});

test('the pass: zero points, fused, as close as the error of the weights lets expect; 8 bits are refused', async () => {
  const float = mlp(4);
  const context = { progress: SILENT, seed: 1 };
  const options = { ...hqqQuantization.defaults, least: 1, accuracyLevel: 1 as const };
  const made = await hqqQuantization.apply(float, options, context);
  const nodes = made.model.graph.nodes.filter(({ op }) => op === 'MatMulNBits');
  assert.equal(nodes.length, 3);
  assert.ok(nodes.every((node) => made.model.graph.initializers.get(node.inputs[3]!)?.dtype === 'uint8'));
  assert.ok(made.fusion!.nodes.every(({ status }) => status === 'fused'));
  const x = normals(new Random(5), [64, 32]);
  const answers: Tensor[] = [];
  for (const model of [float, made.model]) {
    const session = await openSession(model, { threads: 1 });
    answers.push((await session.run({ x }))[session.outputs[0]!.name]!);
    await session.dispose();
  }
  const near = sqnr(answers[0]!, answers[1]!);
  assert.ok(near > 17, `${near} dB`);
  await assert.rejects(
    () => hqqQuantization.apply(float, { ...options, bits: 8 }, context),
    (thrown: ModicumError) => thrown.code === 'USAGE_BAD_OPTION',
  );
});
