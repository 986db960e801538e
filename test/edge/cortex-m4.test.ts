import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { openDataset } from '../../src/data/index.ts';
import { emitC } from '../../src/edge/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { ROOT } from '../shared-data.ts';
import { differing } from './c-programs.ts';
import { compiledAnswers } from './compiled.ts';
import { armSize, hasArm, hasBoard, runOnBoard } from './cortex-m4.ts';
import { cleaned, quantized } from './quantized.ts';

const path = join(ROOT, 'examples/keyword-spotter/light.onnx');
const random = new Random(3);
const numbers = Float32Array.from({ length: 490 }, () => -3 + 16 * random.normal());
const feeds = { mfcc: Tensor.float32([1, 1, 49, 10], numbers) };

test('flash and RAM are what the plan says', {
  skip: hasArm() ? false : 'no arm-none-eabi-gcc',
}, async () => {
  const made = emitC(await cleaned(await loadModel(path)), { name: 'kws' });
  const { text, data, bss } = await armSize(made, 'kws');
  assert.equal(data, 0);
  assert.equal(bss, made.ramBytes);
  assert.ok(text > made.flashBytes && text < made.flashBytes + 8192, `${text} against ${made.flashBytes}`);
});

test('a Cortex-M4F gives the bits of the module', { skip: hasBoard() ? false : 'no QEMU' }, async (t) => {
  const data = await openDataset(join(ROOT, 'examples/keyword-spotter/data.npz'));
  const float = await loadModel(path);
  for (const model of [await cleaned(float), await quantized(float, data)]) {
    const { outputs, instructions, stack } = await runOnBoard(model, feeds);
    t.diagnostic(`${instructions} instructions, ${stack} bytes of stack`);
    assert.deepEqual(differing(outputs, await compiledAnswers(model, feeds, 'scalar')), []);
    assert.ok(stack > 0 && stack < 1024, `${stack} bytes of stack`);
  }
});
