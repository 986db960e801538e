import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { costOf } from '../../graph/index.ts';
import type { Architecture } from './architecture.ts';
import { buildForMacs } from './build-for-macs.ts';
import { ARCHITECTURES } from './index.ts';
import type { Task } from './task.ts';

const TASK: Task = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['N', 1, 28, 28] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['N', 10], kind: 'classes' }],
};
const macsAt = (architecture: Architecture, width: number) =>
  costOf(architecture.build(TASK, { width }, null)).total.macs;

for (const name of ['ds-cnn', 'mobilenet', 'residual-cnn', 'mlp', 'transformer'] as const) {
  test(`${name}: the widest within the budget`, () => {
    const architecture: Architecture = ARCHITECTURES[name];
    for (const width of [0.3, 1, 1.7]) {
      const budget = macsAt(architecture, width) + 1;
      const { model, macs, width: found } = buildForMacs(architecture, TASK, budget, new Random(1));
      assert.equal(costOf(model).total.macs, macs);
      assert.ok(macs <= budget && found >= Math.floor(width * 64) / 64);
      assert.ok(macsAt(architecture, found + 1 / 64) > budget, `${found} for ${width}`);
      // The weights are there, not the zeros that were counted with.
      const weights = [...model.graph.initializers].find(([key]) => key.endsWith('.weight'))![1];
      assert.ok(weights.numbers().some((value) => value !== 0));
    }
  });
}

test('other options hold; the widest of all ends the search', () => {
  const { model, width } = buildForMacs(ARCHITECTURES.mlp, TASK, Number.POSITIVE_INFINITY, new Random(1), {
    units: 8,
    layers: 3,
  });
  assert.equal(width, 16);
  assert.equal(model.graph.nodes.filter(({ op }) => op === 'Gemm').length, 4);
});

test('a budget below the narrowest is refused with what it takes', () => {
  assert.throws(() => buildForMacs(ARCHITECTURES.mobilenet, TASK, 1000, new Random(1)), {
    code: 'ARCHITECTURE_UNFIT',
    message: /mobilenet takes \d+ MACs at its narrowest, not at most 1000/,
  });
  assert.throws(() => buildForMacs(ARCHITECTURES.mlp, TASK, Number.NaN, new Random(1)), {
    code: 'ARCHITECTURE_UNFIT',
  });
});
