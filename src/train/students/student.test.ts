import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spiral, spiralNet } from '../../../test/train/spiral.ts';
import { inMemory } from '../../data/index.ts';
import { costOf, parseText, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { normalizeInputs } from './normalize-inputs.ts';
import { makeStudent, parseStudent } from './student.ts';

const DATA = spiral(500, 1);
const TEACHER = spiralNet(1, 64);

test('what a student is asked for, in words', () => {
  assert.deepEqual(parseStudent('shallower'), { kind: 'shallower', keep: 0.5 });
  assert.deepEqual(parseStudent('narrower:0.25'), { kind: 'narrower', keep: 0.25 });
  assert.deepEqual(parseStudent('ds-cnn:0.1'), { kind: 'architecture', name: 'ds-cnn', macs: 0.1 });
  assert.deepEqual(parseStudent('mlp:x2'), { kind: 'architecture', name: 'mlp', width: 2 });
  assert.equal(parseStudent('a file.onnx'), undefined);
  for (const text of ['tower', 'mlp:0', 'narrower:1.5', 'shallower:x2']) {
    assert.throws(() => parseStudent(text), { code: 'USAGE_BAD_OPTION' }, text);
  }
});

for (const text of ['narrower:0.25', 'mlp:0.5', 'mlp:x0.1']) {
  test(`${text} answers in the shapes of its teacher, with fewer MACs`, async () => {
    const { model, macs } = await makeStudent(parseStudent(text)!, TEACHER, DATA, 3);
    assert.equal(macs, costOf(model).total.macs);
    if (text.includes(':0')) assert.ok(macs <= Number(text.split(':')[1]) * costOf(TEACHER).total.macs);
    const session = await openSession(model);
    const { p } = await session.run({ x: Tensor.float32([4, 2], [0, 1, 2, 3, 4, 5, 6, 7]) });
    await session.dispose();
    assert.deepEqual(p!.dims, [4, 3]);
    const sums = [0, 1, 2, 3].map((i) =>
      p!
        .numbers()
        .slice(3 * i, 3 * i + 3)
        .reduce((a, b) => a + b),
    );
    for (const sum of sums) assert.ok(Math.abs(sum - 1) < 1e-5, 'probabilities, as the teacher');
  });
}

test('what cannot be made is said', async () => {
  await assert.rejects(makeStudent({ kind: 'narrower', keep: 1e-4 }, TEACHER, DATA), {
    code: 'STUDENT_IMPOSSIBLE',
  });
  await assert.rejects(makeStudent({ kind: 'shallower', keep: 0.5 }, TEACHER, DATA), {
    code: 'STUDENT_IMPOSSIBLE',
  });
  await assert.rejects(makeStudent({ kind: 'architecture', name: 'ds-cnn' }, TEACHER, DATA), {
    code: 'ARCHITECTURE_UNFIT',
  });
});

test('inputs of odd size are normalized by the data, others left alone', async () => {
  const model = parseText(
    '<ir_version: 8, opset_import: ["" : 17]> g (float[n, 2] x, float[n, 2] z) => (float[n, 2] y) { y = Add(x, z) }',
  );
  const x = Float32Array.from({ length: 200 }, (_, i) => 100 + (i % 2 === 0 ? 50 : -50));
  const z = Float32Array.from({ length: 200 }, (_, i) => (i % 4 < 2 ? 1 : -1));
  const data = inMemory({ x: Tensor.float32([100, 2], x), z: Tensor.float32([100, 2], z) });
  const normal = await normalizeInputs(model, data);
  assert.deepEqual([...normal.graph.initializers.keys()], ['x.mean', 'x.scale']);
  const session = await openSession(normal);
  const { y } = await session.run({
    x: Tensor.float32([1, 2], [150, 50]),
    z: Tensor.float32([1, 2], [0, 0]),
  });
  await session.dispose();
  assert.deepEqual(
    y!.numbers().map((value) => Math.round(value * 100) / 100),
    [1, -1],
  );
});
