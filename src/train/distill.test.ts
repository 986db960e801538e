import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accuracy, spiral, spiralNet } from '../../test/train/spiral.ts';
import { cloneModel, encodeModel, parseText, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { distill } from './distill.ts';
import { makeStudent } from './students/student.ts';
import { train } from './train.ts';

const UNLABELLED = spiral(1500, 1, false);
const LABELLED = spiral(1500, 1);
const TEST = spiral(600, 2);
const FIT = { epochs: 30, rate: 0.02, batch: 50, seed: 3 } as const;

const { model: TEACHER } = await train(spiralNet(1, 64), LABELLED, FIT);

for (const [title, student, data, options] of [
  ['without labels', spiralNet(5, 12), UNLABELLED, {}],
  ['with labels', spiralNet(5, 12), LABELLED, { alpha: 0.7, temperature: 2 }],
  ['by scores', spiralNet(5, 12, false), UNLABELLED, { loss: 'mse' }],
  ['mixed', spiralNet(5, 12), UNLABELLED, { mixup: 0.1 }],
  [
    'an inner value too, of another width',
    spiralNet(5, 12),
    UNLABELLED,
    { features: [{ student: 'c', teacher: 'c', weight: 0.1 }] },
  ],
] as const) {
  test(`a narrow student learns what the teacher answers: ${title}`, async () => {
    const { model, parameters } = await distill(TEACHER, student, data, { ...FIT, ...options });
    const [own, teacher] = [await accuracy(model, TEST), await accuracy(TEACHER, TEST)];
    assert.ok(teacher > 93 && own > teacher - 4, `${own} against ${teacher}`);
    assert.equal(parameters, 2 * 12 + 12 + 12 * 3 + 3);
    assert.deepEqual(
      [...model.graph.initializers.keys()].sort(),
      ['b1', 'b2', 'w1', 'w2'],
      'nothing of the teacher is left in it',
    );
  });
}

test('a session teaches what its model teaches, up to the rounding of its probabilities', async () => {
  const session = await openSession(TEACHER);
  const { model } = await distill(session, spiralNet(5, 12), UNLABELLED, FIT);
  await session.dispose();
  assert.ok((await accuracy(model, TEST)) > (await accuracy(TEACHER, TEST)) - 6);
});

test('a teacher whose scores are in the hundreds teaches too, and its narrower copy keeps their size', async () => {
  const loud = cloneModel(TEACHER);
  const { graph } = loud;
  for (const name of ['w2', 'b2']) {
    const tensor = graph.initializers.get(name)!;
    graph.initializers.set(
      name,
      Tensor.float32(
        tensor.dims,
        tensor.as('float32').map((value) => 100 * value),
      ),
    );
  }
  graph.nodes = graph.nodes.filter(({ op }) => op !== 'Softmax');
  graph.nodes.at(-1)!.outputs[0] = 'p';
  const fresh = await distill(loud, spiralNet(5, 12, false), LABELLED, FIT);
  const { model: narrow } = await makeStudent({ kind: 'narrower', keep: 0.25 }, loud, LABELLED);
  const copy = await distill(loud, narrow, LABELLED, { ...FIT, epochs: 10 });
  for (const { model } of [fresh, copy]) {
    assert.ok(
      (await accuracy(model, TEST)) > (await accuracy(TEACHER, TEST)) - 6,
      String(await accuracy(model, TEST)),
    );
  }
});

test('the teacher is left as it was', async () => {
  const before = Buffer.from(encodeModel(TEACHER));
  await distill(TEACHER, spiralNet(5, 12), UNLABELLED, { ...FIT, epochs: 1 });
  assert.ok(Buffer.from(encodeModel(TEACHER)).equals(before));
});

test('a student that does not answer as its teacher is refused', async () => {
  const four = parseText(`<ir_version: 10, opset_import: ["" : 17]> g (float[n, 2] x) => (float[n, 4] p)
    <float[2, 4] w = {1,2,3,4,5,6,7,8}> { p = MatMul(x, w) }`);
  await assert.rejects(distill(TEACHER, four, UNLABELLED, FIT), {
    code: 'TRAIN_TARGET_MISMATCH',
    message: /output p of the student is \[n,4\], p of the teacher \[n,3\]/,
  });
  const two =
    parseText(`<ir_version: 10, opset_import: ["" : 17]> g (float[n, 2] x) => (float[n, 2] a, float[n, 2] b)
    <float[2, 2] w = {1,2,3,4}> { a = MatMul(x, w) b = Add(a, a) }`);
  await assert.rejects(distill(TEACHER, two, UNLABELLED, FIT), {
    code: 'TRAIN_TARGET_MISMATCH',
    message: /answers a, b/,
  });
  const session = await openSession(TEACHER);
  const features = [{ student: 'c', teacher: 'c' }];
  await assert.rejects(distill(session, spiralNet(), UNLABELLED, { features }), { code: 'USAGE_BAD_OPTION' });
  await session.dispose();
  const wrong = [{ student: 'c', teacher: 'nothing' }];
  await assert.rejects(distill(TEACHER, spiralNet(), UNLABELLED, { features: wrong }), {
    code: 'USAGE_BAD_OPTION',
  });
});
