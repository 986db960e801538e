import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../base/index.ts';
import { attr, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { defineFakeQuantize, fakeQuantizeNode } from '../../transform/index.ts';
import { Composer } from '../composer.ts';
import { differentiate } from '../differentiate/differentiate.ts';
import { lowerMacros } from './index.ts';

const round = (value: number) => {
  const whole = Math.round(value);
  return Math.abs(value % 1) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
};

for (const [what, dims, scaleDims, low, high] of [
  ['one scale', [3, 4], [], -3, 3],
  ['one scale, all above zero', [5, 6], [], 0, 5],
  ['a scale for each row', [3, 7], [3, 1], -2, 2],
  ['a scale for each kernel', [2, 3, 3, 3], [2, 1, 1, 1], -7, 7],
  ['a scale for each block', [2, 4, 8], [2, 4, 1], -8, 7],
] as const) {
  test(`straight through, and the learned step size: ${what}`, async () => {
    const random = new Random(dims.length);
    const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
    const make = (shape: readonly number[], draw: () => number) =>
      Tensor.float32(shape, Float32Array.from({ length: count(shape) }, draw));
    const x = make(dims, () => 2 * random.normal());
    const scale = make(scaleDims, () => 0.2 + random.uniform());
    const weights = make(dims, () => random.normal());
    const model = makeModel(
      makeGraph({
        inputs: [
          { name: 'x', type: tensorType('float32', dims) },
          { name: 's', type: tensorType('float32', scaleDims) },
        ],
        outputs: [],
        nodes: [
          fakeQuantizeNode(['x', 's', 'low', 'high'], 'y', 'fake'),
          makeNode('Mul', ['y', 'c'], ['z'], {}, { name: 'weigh' }),
          makeNode('ReduceSum', ['z'], ['loss'], { keepdims: attr.int(0) }, { name: 'sum' }),
        ],
        initializers: new Map([
          ['low', Tensor.float32([], [low])],
          ['high', Tensor.float32([], [high])],
          ['c', weights],
        ]),
      }),
      21,
    );
    defineFakeQuantize(model);
    const to = new Composer(model, { x: dims, s: scaleDims });
    const found = differentiate(to, 'loss', ['x', 's']);
    lowerMacros(to);
    model.functions = [];
    to.output('y', 'answer');
    to.output(found.get('x')!, 'dx');
    to.output(found.get('s')!, 'ds');
    const session = await openSession(model, { threads: 1 });
    const out = await session.run({ x, s: scale });
    await session.dispose();

    const [values, scales, g] = [x, scale, weights].map((tensor) => tensor.numbers()) as number[][];
    const inner = scaleDims.length === 0 ? values!.length : values!.length / scales!.length;
    const [y, dx] = [[] as number[], [] as number[]];
    const ds = scales!.map(() => 0);
    for (const [i, value] of values!.entries()) {
      const at = Math.floor(i / inner);
      const s = scales![at]!;
      const steps = value / s;
      const inside = steps >= low && steps <= high;
      y.push(Math.min(high, Math.max(low, round(steps))) * s);
      dx.push(inside ? g![i]! : 0);
      // Esser et al. 2020, equation 3.
      ds[at]! += g![i]! * (inside ? round(steps) - steps : steps < low ? low : high);
    }
    const near = (name: string, wanted: number[]) => {
      const got = out[name]!.numbers();
      assert.equal(got.length, wanted.length);
      for (const [i, value] of wanted.entries()) {
        assert.ok(
          Math.abs(got[i]! - value) < 1e-4 * (1 + Math.abs(value)),
          `${name}[${i}]: ${got[i]}, not ${value}`,
        );
      }
    };
    near('answer', y);
    near('dx', dx);
    near('ds', ds);
    assert.ok(dx.includes(0) && dx.some((value) => value !== 0), 'both sides of the ends are met');
  });
}
