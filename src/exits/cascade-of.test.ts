import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cloudNet, clouds } from '../../test/exits-nets.ts';
import { openBundle } from '../bundle/index.ts';
import { attr, type Model, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../graph/index.ts';
import { EXIT_OUTPUT } from '../staged/index.ts';
import { cascadeOf } from './cascade-of.ts';
import { writeExitBundle } from './exit-bundle.ts';

/** Right where the clouds lie apart: the class whose direction the first two numbers take. Other names than those of the big net. */
function compass(classes = 4, scale = 3): Model {
  const weight = new Float32Array(8 * classes);
  for (let k = 0; k < classes; k++) {
    weight[k] = scale * Math.cos((Math.PI / 2) * k);
    weight[classes + k] = scale * Math.sin((Math.PI / 2) * k);
  }
  return makeModel(
    makeGraph({
      inputs: [{ name: 'points', type: tensorType('float32', ['N', 8]) }],
      outputs: [{ name: 'scores', type: tensorType('float32', ['N', classes]) }],
      nodes: [makeNode('Gemm', ['points', 'w'], ['scores'], { transB: attr.int(0) })],
      initializers: new Map([['w', Tensor.float32([8, classes], weight)]]),
    }),
    17,
  );
}

test('a small model answers what it is sure of, with the promise of early exits, and ships as a bundle', async (t) => {
  const big = await cloudNet();
  const models = [
    { id: 'compass', model: compass() },
    { id: 'net', model: big },
  ];
  const { staged, report, whole, parts } = await cascadeOf(models, {
    data: clouds(3000, 22),
    maxDrop: 2,
    settings: { threads: 1 },
  });
  assert.equal(report.certificate.outcome, 'certified');
  assert.deepEqual(
    staged.stages.map(({ id, carried }) => [id, ...carried]),
    [['compass'], ['net']],
  );
  const [first] = report.exits;
  assert.ok(first!.leaves.value > 0.4 && first!.leaves.value < 0.95, `${first!.leaves.value}`);
  assert.ok(report.test.macsShare < 0.7);
  assert.ok(report.test.drop.value < 0.03);
  const folder = join(await mkdtemp(join(tmpdir(), 'modicum-cascade-')), 'bundle');
  t.after(() => rm(join(folder, '..'), { recursive: true, force: true }));
  await writeExitBundle(folder, {
    name: 'clouds',
    staged,
    whole,
    goal: { maxDrop: 2 },
    met: true,
    records: [],
    story: report,
    report: '',
  });
  const [batched, single] = [await openBundle(folder), await openBundle(folder, { settings: 'latency' })];
  t.after(() => Promise.all([batched.session.dispose(), single.session.dispose()]));
  assert.deepEqual([batched.as, single.as], ['stages', 'one-file']);
  let left = 0;
  for await (const { feeds } of parts.test.read({ batch: 1 })) {
    const x = feeds.x!;
    const [a, b] = [await batched.session.run({ x }), await single.session.run({ x })];
    assert.deepEqual(a[EXIT_OUTPUT], b[EXIT_OUTPUT]);
    // The small model's logits come as the probabilities that the big one gives.
    const sum = a.class!.numbers().reduce((total, p) => total + p, 0);
    assert.ok(Math.abs(sum - 1) < 1e-5);
    if (a[EXIT_OUTPUT]!.numbers()[0] === 0) left++;
  }
  assert.equal(left, Math.round(first!.leaves.value * parts.test.size));
});

test('a small model that knows nothing is left out, and one of another task is refused', async () => {
  const big = await cloudNet();
  const data = clouds(1200, 3);
  const useless = { id: 'compass', model: compass(4, 0) };
  const found = await cascadeOf([useless, { id: 'net', model: big }], {
    data,
    maxDrop: 1,
    settings: { threads: 1 },
  });
  assert.deepEqual(
    found.staged.stages.map(({ id }) => id),
    ['net'],
  );
  assert.deepEqual(found.report.dropped, ['compass']);
  assert.equal(found.report.test.macsShare, 1);
  const other = { id: 'compass', model: compass(3) };
  await assert.rejects(cascadeOf([other, { id: 'net', model: big }], { data }), {
    code: 'EXITS_UNFIT',
    message: /3 numbers/,
  });
  await assert.rejects(cascadeOf([useless], { data }), { code: 'USAGE_BAD_OPTION' });
});
