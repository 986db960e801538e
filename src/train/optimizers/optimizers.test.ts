import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel, Tensor, tensorType } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Composer } from '../composer.ts';
import { OPTIMIZERS, type OptimizerName, optimizerByName } from './index.ts';
import type { OptimizerOptions } from './optimizer.ts';

const N = 3;
const GRADIENTS = [
  [0.5, -2, 1e-3],
  [0.1, 3, -1e-3],
  [-0.7, 0, 2e-3],
];
const START = [1, -1, 0.5];
const RATE = 0.1;

/** The weights after three steps of an optimizer, computed by the runtime. */
async function stepped(name: OptimizerName, options: OptimizerOptions = {}): Promise<number[]> {
  const optimizer = optimizerByName(name);
  const model = makeModel(makeGraph({ inputs: [], outputs: [], nodes: [] }));
  const to = new Composer(model, {});
  const vector = (at: string) => to.input(at, 'float32', [N]);
  const scalarNames = Object.keys(optimizer.scalars(1, 1, options));
  const scalars = Object.fromEntries(scalarNames.map((key) => [key, to.input(key, 'float32', [])]));
  const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, vector(`slot.${slot}`)]));
  const found = optimizer.update({
    to,
    parameters: vector('w'),
    gradient: vector('g'),
    slots,
    scalars,
    options,
  });
  to.output(found.parameters, 'w2');
  for (const [slot, value] of Object.entries(found.slots)) to.output(value, `next.${slot}`);
  assert.deepEqual(model.graph.inputs[0]!.type, tensorType('float32', []), 'scalars first');
  const session = await openSession(model);
  let state: Record<string, Tensor> = { w: Tensor.float32([N], START) };
  for (const slot of optimizer.slots) state[`slot.${slot}`] = Tensor.float32([N], [0, 0, 0]);
  for (const [i, gradient] of GRADIENTS.entries()) {
    const values = Object.entries(optimizer.scalars(i + 1, RATE, options)).map(([key, value]) => [
      key,
      Tensor.float32([], [value]),
    ]);
    const out = await session.run({
      ...state,
      g: Tensor.float32([N], gradient),
      ...Object.fromEntries(values),
    });
    state = { w: out.w2! };
    for (const slot of optimizer.slots) state[`slot.${slot}`] = out[`next.${slot}`]!;
  }
  await session.dispose();
  return state.w!.numbers();
}

function near(found: number[], wanted: number[]): void {
  for (const [i, value] of wanted.entries())
    assert.ok(Math.abs(found[i]! - value) < 2e-6, `${found} is not ${wanted}`);
}

test('sgd with momentum, plain and Nesterov', async () => {
  for (const nesterov of [false, true]) {
    const [w, v] = [[...START], [0, 0, 0]];
    for (const g of GRADIENTS) {
      for (let i = 0; i < N; i++) {
        v[i] = 0.8 * v[i]! + g[i]!;
        w[i]! -= RATE * (nesterov ? g[i]! + 0.8 * v[i]! : v[i]!);
      }
    }
    near(await stepped('sgd', { momentum: 0.8, nesterov }), w);
  }
});

test('adam as in Kingma and Ba, algorithm 1', async () => {
  const [w, m, v] = [[...START], [0, 0, 0], [0, 0, 0]];
  for (const [t, g] of GRADIENTS.entries()) {
    for (let i = 0; i < N; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!;
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2;
      const [mean, square] = [m[i]! / (1 - 0.9 ** (t + 1)), v[i]! / (1 - 0.999 ** (t + 1))];
      w[i]! -= (RATE * mean) / (Math.sqrt(square) + 1e-8);
    }
  }
  near(await stepped('adam'), w);
  near(await stepped('adamw'), w);
});

test('names', () => {
  assert.throws(() => optimizerByName('lion'), { code: 'USAGE_BAD_OPTION', message: /sgd, adam, adamw/ });
  assert.deepEqual(
    Object.values(OPTIMIZERS).map(({ name }) => name),
    Object.keys(OPTIMIZERS),
  );
});
