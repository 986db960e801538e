import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accuracy, spiral, spiralNet } from '../../../test/train/spiral.ts';
import { cloneModel, type Model, Tensor } from '../../graph/index.ts';
import { prepareForTraining } from '../prepare/prepare.ts';
import { labelTerms } from '../terms.ts';
import { train } from '../train.ts';
import { taylorScores } from './taylor.ts';

const DATA = spiral(1500, 1);

/** The model without some of its hidden units. */
function without(model: Model, units: readonly number[]): Model {
  const copy = cloneModel(model);
  const w1 = copy.graph.initializers.get('w1')!.as('float32').slice();
  const b1 = copy.graph.initializers.get('b1')!.as('float32').slice();
  for (const unit of units) {
    b1[unit] = 0;
    for (let row = 0; row < 2; row++) w1[row * b1.length + unit] = 0;
  }
  copy.graph.initializers.set('w1', Tensor.float32([2, b1.length], w1));
  copy.graph.initializers.set('b1', Tensor.float32([b1.length], b1));
  return copy;
}

test('units that weigh least are missed least', async () => {
  const { model } = await train(spiralNet(1, 32), DATA, { epochs: 30, rate: 0.02, batch: 50 });
  const { forward } = await prepareForTraining(model);
  const scores = await taylorScores(forward, labelTerms(forward, DATA), DATA);
  assert.deepEqual([...scores.keys()], ['w1', 'b1', 'w2', 'b2']);
  const rows = scores.get('w2')!.as('float32');
  const unit = (at: number) => rows[3 * at]! + rows[3 * at + 1]! + rows[3 * at + 2]!;
  const ranked = Array.from({ length: 32 }, (_, i) => i).sort((a, b) => unit(a) - unit(b));
  const [least, most] = [ranked.slice(0, 8), ranked.slice(-8)];
  const [light, heavy] = [
    await accuracy(without(model, least), DATA),
    await accuracy(without(model, most), DATA),
  ];
  assert.ok(light > heavy + 5, `without the light ones ${light}, without the heavy ones ${heavy}`);
});
