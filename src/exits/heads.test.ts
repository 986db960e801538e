import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloudNet, clouds } from '../../test/exits-nets.ts';
import type { Dataset } from '../data/index.ts';
import { type Model, parseText, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { prepareForTraining } from '../train/index.ts';
import { answersOf } from './answers.ts';
import { addHeads, type HeadPlan } from './heads.ts';
import { exitPlaces } from './places.ts';
import { poolingsOf } from './pooling.ts';
import { classLabels, record } from './recorded.ts';
import { trainHeads, trainJointly } from './train-heads.ts';

const HEAD = '<ir_version: 10, opset_import: ["" : 17]>';
const TRAINING = clouds(3000, 11);
const TEST = clouds(1500, 12);
const FIT = { epochs: 10, seed: 1, settings: { threads: 1 } } as const;

/** Heads behind the first and the third layer of the net for `clouds`. */
function plansFor(model: Model, hidden = 0): HeadPlan[] {
  return exitPlaces(model)
    .filter((_, i) => i % 2 === 0)
    .map((place, i) => ({
      id: `exit${i + 1}`,
      place,
      pooling: poolingsOf(place)[0]!,
      features: place.channels,
      hidden,
    }));
}

async function run(model: Model, data: Dataset, outputs: readonly string[]) {
  const session = await openSession(model, { threads: 1, level: 'disabled' });
  try {
    return await record(session, data, outputs);
  } finally {
    await session.dispose();
  }
}

/** Share of right classes of an output. */
async function accuracy(model: Model, output: string): Promise<number> {
  const scores = (await run(model, TEST, [output])).values.get(output)!;
  const labels = (await classLabels(TEST, 4))!;
  let right = 0;
  for (const [i, label] of labels.entries()) {
    const row = scores.subarray(4 * i, 4 * i + 4);
    if (row.indexOf(Math.max(...row)) === label) right++;
  }
  return right / labels.length;
}

const { model: NET } = await prepareForTraining(await cloudNet({ slope: true }));
const ANSWERS = answersOf(NET);

test('the output with the classes decides, whatever else is answered', () => {
  assert.deepEqual(
    ANSWERS.all.map(({ name, kind, size, tail, scale }) => [name, kind, size, tail, scale]),
    [
      ['class', 'classes', 4, 'Softmax', 'probabilities'],
      ['slope', 'values', 1, undefined, 'logits'],
    ],
  );
  assert.equal(ANSWERS.decision, ANSWERS.all[0]);
  assert.equal(answersOf(NET, 'slope').decision.kind, 'binary');
  assert.throws(() => answersOf(NET, 'nothing'), { code: 'EXITS_UNFIT' });
  const many = parseText(`${HEAD} g (float[n, 4] x) => (float[n, 2, 3] y) { y = Reshape(x, s) }`);
  many.graph.initializers.set('s', Tensor.int64([3], [-1, 2, 3]));
  assert.throws(() => answersOf(many), { code: 'EXITS_UNFIT', message: /more than one decision/ });
  const open = parseText(`${HEAD} g (float[n, t] x) => (float[n, t] y) { y = Relu(x) }`);
  assert.throws(() => answersOf(open), { code: 'EXITS_UNFIT', message: /not settled/ });
});

for (const hidden of [0, 16]) {
  test(`heads of ${hidden} inner units learn, deeper ones more, and the backbone keeps every bit`, async () => {
    const plans = plansFor(NET, hidden);
    const { model, heads } = await trainHeads(NET, ANSWERS, plans, TRAINING, FIT);
    assert.ok(heads.length >= 2);
    for (const [name, tensor] of NET.graph.initializers)
      assert.equal(model.graph.initializers.get(name), tensor, name);
    const names = ANSWERS.all.map(({ name }) => name);
    const [before, after] = [await run(NET, TEST, names), await run(model, TEST, names)];
    for (const name of names) assert.deepEqual(after.values.get(name), before.values.get(name));
    const own = await Promise.all(heads.map(({ answers }) => accuracy(model, answers.class!)));
    const whole = await accuracy(NET, 'class');
    assert.ok(own[0]! > 0.65 && own.at(-1)! > own[0]! && own.at(-1)! > whole - 0.05, `${own} of ${whole}`);
    // The other output is answered too: far better than by its mean.
    const slopes = await run(model, TEST, ['slope', ...heads.map(({ answers }) => answers.slope!)]);
    const truth = slopes.values.get('slope')!;
    const error = (values: Float32Array) => values.reduce((sum, v, i) => sum + (v - truth[i]!) ** 2, 0);
    const mean = truth.reduce((sum, v) => sum + v, 0) / truth.length;
    for (const { answers } of heads) {
      assert.ok(error(slopes.values.get(answers.slope!)!) < 0.2 * error(truth.map(() => mean)));
    }
    // Answers end as the whole model's do.
    const shares = (await run(model, TEST, [heads[0]!.answers.class!])).values.get(heads[0]!.answers.class!)!;
    for (let i = 0; i < 40; i += 4) {
      assert.ok(Math.abs(shares.subarray(i, i + 4).reduce((a, b) => a + b, 0) - 1) < 1e-5);
    }
  });
}

test('without labels heads learn what the whole model answers', async () => {
  const { model, heads } = await trainHeads(NET, ANSWERS, plansFor(NET, 16), clouds(3000, 11, false), FIT);
  const last = await accuracy(model, heads.at(-1)!.answers.class!);
  assert.ok(last > (await accuracy(NET, 'class')) - 0.06, `${last}`);
});

test('trained together, early heads gain and the end keeps its place', async () => {
  const frozen = await trainHeads(NET, ANSWERS, plansFor(NET), TRAINING, FIT);
  const joint = await trainJointly(frozen, NET, ANSWERS, TRAINING, { ...FIT, epochs: 6, rate: 2e-3 });
  const early = frozen.heads[0]!.answers.class!;
  const [before, after] = [await accuracy(frozen.model, early), await accuracy(joint.model, early)];
  assert.ok(after > before + 0.02, `${before} to ${after}`);
  assert.ok((await accuracy(joint.model, 'class')) > (await accuracy(NET, 'class')) - 0.03);
});

test('heads answer in the shape of the whole, [N, C, 1, 1] too', async () => {
  const net = parseText(
    `${HEAD} g (float[n, 2, 4, 4] x) => (float[n, 3, 1, 1] y) { a = Conv(x, w1) b = Relu(a) c = GlobalAveragePool(b) d = Conv(c, w2) y = Softmax <axis = 1> (d) }`,
  );
  const random = (dims: number[]) =>
    Tensor.float32(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(7 * i + dims.length)),
    );
  net.graph.initializers.set('w1', random([4, 2, 1, 1]));
  net.graph.initializers.set('w2', random([3, 4, 1, 1]));
  const answers = answersOf(net);
  assert.deepEqual(answers.decision.dims, [3, 1, 1]);
  const place = exitPlaces(net, { within: [0, 1] }).find(({ value }) => value === 'c')!;
  const weights = { weight: random([3, 4]), bias: random([3]) };
  const { model, heads } = addHeads(net, answers.all, [
    {
      plan: { id: 'early', place, pooling: { kind: 'mean' }, features: 4, hidden: 0 },
      weights: { answers: new Map([['y', weights]]) },
    },
  ]);
  const session = await openSession(model);
  const fetched = await session.run({ x: random([5, 2, 4, 4]) });
  await session.dispose();
  const early = fetched[heads[0]!.answers.y!]!;
  assert.deepEqual(early.dims, [5, 3, 1, 1]);
  for (let i = 0; i < 5; i++) {
    const row = early.as('float32').subarray(3 * i, 3 * i + 3);
    assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-6);
  }
});
