import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail, Random } from '../base/index.ts';
import { type Shape, Tensor } from '../graph/index.ts';
import type { Feeds, Fetches, Port, RunOptions, Session } from '../run/index.ts';
import { cascade } from './cascade.ts';
import type { OpenStage } from './open-stage.ts';
import { packRows, takeRows } from './rows.ts';
import { confidencesOf } from './scores.ts';
import type { ExitRule } from './staged-model.ts';
import { EXIT_OUTPUT, type StagedSession, stagedSession } from './staged-session.ts';

const CLASSES = 3;
const port = (name: string, shape: Shape = ['N', CLASSES]): Port => ({ name, dtype: 'float32', shape });
const RULE: ExitRule = {
  scores: 'scores',
  scale: 'logits',
  temperature: 1,
  confidence: 'max-probability',
  threshold: 0.6,
};

/** A session that computes by a function and notes the samples of each call. */
class Fake implements Session {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata = new Map([['runtime', 'fake']]);
  readonly calls: number[] = [];
  disposed = 0;
  readonly #compute: (feeds: Feeds) => Fetches;

  constructor(inputs: readonly Port[], outputs: readonly Port[], compute: (feeds: Feeds) => Fetches) {
    this.inputs = inputs;
    this.outputs = outputs;
    this.#compute = compute;
  }

  async run(feeds: Feeds, { outputs, signal, transfer }: RunOptions = {}): Promise<Fetches> {
    signal?.throwIfAborted();
    if (this.disposed > 0) throw fail('SESSION_CLOSED', 'gone');
    assert.deepEqual(Object.keys(feeds).sort(), this.inputs.map(({ name }) => name).sort());
    for (const { name, shape } of this.inputs) {
      if (typeof shape?.[0] === 'number') assert.equal(feeds[name]!.dims[0], shape[0], name);
    }
    this.calls.push(Object.values(feeds)[0]!.dims[0]!);
    const all = this.#compute(feeds);
    await Promise.resolve();
    // As a worker that takes the buffers: what is given away is gone.
    if (transfer)
      for (const tensor of Object.values(feeds))
        structuredClone(tensor.bytes(), { transfer: [tensor.bytes().buffer as ArrayBuffer] });
    return Object.fromEntries((outputs ?? Object.keys(all)).map((name) => [name, all[name]!]));
  }

  async dispose(): Promise<void> {
    this.disposed++;
  }
}

const map = (tensor: Tensor, f: (x: number) => number): Tensor =>
  Tensor.float32(tensor.dims, tensor.as('float32').map(f));

/**
 * Three stages on logits x: the first two are sure by x and by 2x, and answer y = x + 10 and x + 20, the last x + 30. What is carried
 * goes from the first to the second and the third.
 */
function threeStages(options: { fixed?: number; threshold?: number; plant?: (rows: Tensor) => Tensor } = {}) {
  const { fixed, threshold = RULE.threshold, plant = (tensor: Tensor) => tensor } = options;
  const own = (name: string) => port(name, [fixed ?? 'N', CLASSES]);
  const exit = { ...RULE, threshold };
  const stages = [
    new Fake([port('x')], [port('scores'), port('early'), port('h')], ({ x }) => ({
      scores: map(x!, (value) => value),
      early: map(x!, (value) => value + 10),
      h: map(x!, (value) => 2 * value),
    })),
    new Fake([own('h')], [own('scores'), own('middle'), own('g')], ({ h }) => ({
      scores: map(h!, (value) => value),
      middle: map(h!, (value) => value / 2 + 20),
      g: map(h!, (value) => value / 2),
    })),
    new Fake([own('g'), own('h'), own('x')], [own('y')], ({ g, h, x }) => {
      const [two, three] = [h!.as('float32'), x!.as('float32')];
      // All three must still belong to the same samples.
      g!.as('float32').forEach((value, i) => {
        assert.equal(two[i], 2 * value);
        assert.equal(three[i], value);
      });
      return { y: map(plant(g!), (value) => value + 30) };
    }),
  ];
  const open: OpenStage[] = [
    { id: 'first', session: stages[0]!, answers: { y: 'early' }, carried: ['h'], exit },
    { id: 'second', session: stages[1]!, answers: { y: 'middle' }, carried: ['g'], exit },
    { id: 'last', session: stages[2]!, answers: { y: 'y' }, carried: [] },
  ];
  return { open, stages, session: stagedSession(open, { inputs: [port('x')], outputs: [port('y')] }) };
}

function logits(samples: number, seed: number): Tensor {
  const random = new Random(seed);
  return Tensor.float32(
    [samples, CLASSES],
    Array.from({ length: samples * CLASSES }, () => random.normal()),
  );
}

/** Sample by sample, by the definition. */
function expected(x: Tensor, threshold: number): { y: Float32Array; exits: number[] } {
  const y = new Float32Array(x.size);
  const exits: number[] = [];
  for (let row = 0; row < x.dims[0]!; row++) {
    const own = x.as('float32').subarray(row * CLASSES, (row + 1) * CLASSES);
    const sure = (scale: number) => {
      const e = Array.from(own, (value) => Math.exp(value * scale));
      return Math.max(...e) / e.reduce((sum, value) => sum + value, 0);
    };
    const exit = sure(1) >= threshold ? 0 : sure(2) >= threshold ? 1 : 2;
    exits.push(exit);
    own.forEach((value, k) => {
      y[row * CLASSES + k] = value + 10 * (exit + 1);
    });
  }
  return { y, exits };
}

async function check(session: StagedSession, x: Tensor, threshold: number): Promise<void> {
  const { y, [EXIT_OUTPUT]: exit } = await session.run({ x });
  const wanted = expected(x, threshold);
  assert.deepEqual([...exit!.as('int32')], wanted.exits);
  assert.deepEqual(y!.dims, x.dims);
  y!.as('float32').forEach((value, i) => {
    assert.ok(Math.abs(value - wanted.y[i]!) < 1e-5, `${value} is not ${wanted.y[i]}`);
  });
}

test('samples leave when they are sure, answers keep their order, and only survivors are computed', async () => {
  for (let seed = 0; seed < 30; seed++) {
    for (const fixed of [undefined, 1, 4]) {
      const threshold = [0, 0.4, 0.6, 0.8, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][seed % 6]!;
      const { session, stages } = threeStages({ fixed, threshold });
      const x = logits(1 + (seed % 9), seed);
      const copy = Float32Array.from(x.as('float32'));
      await check(session, x, threshold);
      assert.deepEqual(x.as('float32'), copy, 'the feeds of the caller are left alone');
      const { exits } = expected(x, threshold);
      const going = exits.filter((exit) => exit > 0).length;
      const computed = stages[1]!.calls.reduce((sum, samples) => sum + samples, 0);
      assert.equal(computed, Math.ceil(going / (fixed ?? 1)) * (fixed ?? 1));
      assert.deepEqual(
        session.left,
        [0, 1, 2].map((stage) => exits.filter((exit) => exit === stage).length),
      );
    }
  }
});

test('the check sees samples that change places', async () => {
  const swapped = (g: Tensor) => {
    const values = Float32Array.from(g.as('float32'));
    values.set(g.as('float32').subarray(0, CLASSES), CLASSES);
    return Tensor.float32(g.dims, values);
  };
  const { session } = threeStages({ threshold: Number.POSITIVE_INFINITY, plant: swapped });
  await assert.rejects(check(session, logits(5, 1), Number.POSITIVE_INFINITY), /is not/);
});

test('NaN never leaves early', async () => {
  const { session } = threeStages({ threshold: Number.NEGATIVE_INFINITY });
  const x = Tensor.float32([2, CLASSES], [1, Number.NaN, 0, 1, 2, 3]);
  const { [EXIT_OUTPUT]: exit } = await session.run({ x });
  assert.deepEqual([...exit!.as('int32')], [2, 0]);
});

test('only what is asked for is computed; without answers the last stage rests', async () => {
  const { session, stages } = threeStages({ threshold: Number.POSITIVE_INFINITY });
  const fetches = await session.run({ x: logits(3, 1) }, { outputs: [EXIT_OUTPUT] });
  assert.deepEqual([...fetches[EXIT_OUTPUT]!.as('int32')], [2, 2, 2]);
  assert.deepEqual(Object.keys(fetches), [EXIT_OUTPUT]);
  assert.equal(stages[2]!.calls.length, 0);
});

test('calls at the same time do not mix', async () => {
  const { session } = threeStages();
  await Promise.all(
    Array.from({ length: 20 }, (_, seed) =>
      check(session, logits(1 + (seed % 5), 100 + seed), RULE.threshold),
    ),
  );
});

test('an aborted call ends, a disposed session refuses and frees every stage once', async () => {
  const { session, stages } = threeStages({ threshold: Number.POSITIVE_INFINITY });
  const stop = new AbortController();
  const running = session.run({ x: logits(2, 1) }, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
  assert.equal(stages[2]!.calls.length, 0);
  await session.dispose();
  await session.dispose();
  assert.deepEqual(
    stages.map(({ disposed }) => disposed),
    [1, 1, 1],
  );
  await assert.rejects(session.run({ x: logits(2, 1) }), { code: 'SESSION_CLOSED' });
});

test('a cascade: the big model sees what the small one is not sure of', async () => {
  const small = new Fake([port('x')], [port('y')], ({ x }) => ({ y: x! }));
  const big = new Fake([port('x', [1, CLASSES])], [port('y', [1, CLASSES])], ({ x }) => ({
    y: map(x!, (value) => value + 100),
  }));
  const session = cascade([
    { id: 'small', session: small, exit: { ...RULE, scores: 'y' } },
    { id: 'big', session: big },
  ]);
  const x = logits(8, 3);
  const { y, [EXIT_OUTPUT]: exit } = await session.run({ x });
  const sure = confidencesOf(x, 8, RULE);
  sure.forEach((value, row) => {
    const early = value >= RULE.threshold;
    assert.equal(exit!.as('int32')[row], early ? 0 : 1);
    const found = y!.as('float32')[row * CLASSES]! - x.as('float32')[row * CLASSES]!;
    assert.ok(Math.abs(found - (early ? 0 : 100)) < 1e-4);
  });
  assert.ok(sure.some((value) => value >= 0.6) && sure.some((value) => value < 0.6));
});

test('stages that do not fit are refused, with what is wrong', () => {
  const { open } = threeStages();
  const refused = (change: (stages: OpenStage[]) => OpenStage[], message: RegExp) =>
    assert.throws(() => stagedSession(change([...open]), { inputs: [port('x')], outputs: [port('y')] }), {
      code: 'STAGES_INVALID',
      message,
    });
  refused(() => [], /no stages/);
  refused((stages) => stages.toSpliced(0, 1), /reads h/);
  refused((stages) => stages.toSpliced(1, 1, { ...stages[1]!, id: 'first' }), /same id/);
  refused((stages) => stages.toSpliced(0, 1, { ...stages[0]!, answers: {} }), /does not answer output y/);
  refused((stages) => stages.toSpliced(0, 1, { ...stages[0]!, carried: ['z'] }), /carries z/);
  refused((stages) => stages.toSpliced(2, 1, { ...stages[2]!, exit: RULE }), /is the last/);
  refused(
    (stages) => stages.toSpliced(0, 1, { ...stages[0]!, exit: { ...RULE, scores: 'z' } }),
    /decides by z/,
  );
  refused(
    (stages) => stages.toSpliced(0, 1, { ...stages[0]!, exit: { ...RULE, temperature: 0 } }),
    /temperature/,
  );
});

test('samples are packed in their own memory', () => {
  const from = Float32Array.from({ length: 12 }, (_, i) => i);
  const packed = packRows(Tensor.float32([6, 2], from), [1, 2, 5]);
  assert.deepEqual(packed.dims, [3, 2]);
  assert.deepEqual([...packed.as('float32')], [2, 3, 4, 5, 10, 11]);
  assert.equal(packed.bytes().buffer, from.buffer);
  const words = packRows(Tensor.ofStrings([3, 1], ['a', 'b', 'c']), [0, 2]);
  assert.deepEqual(words.strings(), ['a', 'c']);
  assert.deepEqual(takeRows(Tensor.float32([2, 3], [1, 2, 3, 4, 5, 6]), [0, 2], 1).numbers(), [1, 3, 4, 6]);
});
