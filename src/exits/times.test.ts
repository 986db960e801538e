import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../base/index.ts';
import { inMemory } from '../data/index.ts';
import { parseText, Tensor } from '../graph/index.ts';
import { splitStages } from './split-stages.ts';
import { secondsOfStages, shareOfTime } from './times.ts';

const WIDE = 600;

/** A narrow layer, then two wide ones. */
function net() {
  const model = parseText(
    `<ir_version: 10, opset_import: ["" : 17]> g (float[n, 8] x) => (float[n, 3] y) { a = MatMul(x, w1) b = Relu(a) h = MatMul(a, w5) c = MatMul(b, w2) d = Relu(c) e = MatMul(d, w3) f = Relu(e) y = MatMul(f, w4) }`,
  );
  const random = new Random(1);
  const weights = { w1: [8, 8], w2: [8, WIDE], w3: [WIDE, WIDE], w4: [WIDE, 3], w5: [8, 3] };
  for (const [name, dims] of Object.entries(weights)) {
    const values = Float32Array.from({ length: dims[0]! * dims[1]! }, () => 0.1 * random.normal());
    model.graph.initializers.set(name, Tensor.float32(dims, values));
  }
  return model;
}

const DATA = inMemory({
  x: Tensor.float32(
    [64, 8],
    Float32Array.from({ length: 512 }, (_, i) => Math.sin(i)),
  ),
});
const OPTIONS = { batch: 64, settings: { threads: 1 } } as const;

test('the time up to a value is a share of the whole, small before the wide layers and large behind them', async () => {
  const [early, late] = (await shareOfTime(net(), ['y'], ['b', 'f'], DATA, OPTIONS)) as [number, number];
  assert.ok(early > 0 && early < 0.5 && late > early, `${early} ${late}`);
});

test('each stage has its own time', async () => {
  const model = net();
  model.graph.outputs.push({ name: 'h', type: { kind: 'tensor', dtype: 'float32', shape: ['n', 3] } });
  const exit = {
    scores: 'h',
    scale: 'logits',
    temperature: 1,
    confidence: 'margin',
    threshold: 0.5,
  } as const;
  const staged = splitStages(model, [{ cut: ['b'], answers: { y: 'h' }, exit }]);
  const [first, second] = (await secondsOfStages(staged, DATA, OPTIONS)) as [number, number];
  assert.ok(first > 0 && second > first, `${first} ${second}`);
});
