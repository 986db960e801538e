import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedData } from '../../test/shared-data.ts';
import { Random } from '../base/index.ts';
import { inMemory } from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import { parseText, Tensor } from '../graph/index.ts';
import { type Feeds, openSession, openStateful } from '../run/index.ts';
import { StreamDecider, type StreamRule } from './stream-decider.ts';
import { heard, type StreamScores, statefulScores, windowScores } from './stream-scores.ts';
import { certifyStream, decideStream, type Streams, streamTable } from './streaming.ts';
import { outcomeOf } from './thresholds.ts';

const READING = { scale: 'logits', temperature: 1, confidence: 'max-probability' } as const;
const [CLASSES, STEPS] = [3, 10];

/** Evidence for one of three classes that grows step by step, with noise. */
function walks(samples: number, seed: number, noise = 1): Streams & { readonly truth: Int32Array } {
  const random = new Random(seed);
  const truth = Int32Array.from({ length: samples }, () => random.below(CLASSES));
  const now = new Float32Array(samples * CLASSES);
  const scores = Array.from({ length: STEPS }, () => {
    for (let i = 0; i < samples; i++) {
      for (let c = 0; c < CLASSES; c++)
        now[i * CLASSES + c]! += (c === truth[i] ? 0.9 : 0) + noise * random.normal();
    }
    return now.slice();
  });
  return { scores: { samples, steps: STEPS, classes: CLASSES, scores }, truth };
}

test('a stream is decided where enough steps in a row are sure of one class', () => {
  const rule: StreamRule = { ...READING, thresholds: [0.9], consecutive: 2, least: 2 };
  const decider = new StreamDecider(rule);
  const sure = (k: number) => [0, 1, 2].map((c) => (c === k ? 10 : 0));
  assert.equal(decider.push(sure(1)), undefined);
  // Another class: the count begins again.
  assert.equal(decider.push(sure(2)), undefined);
  assert.equal(decider.push([0, 0, 0]), undefined);
  assert.equal(decider.push(sure(0)), undefined);
  const decision = decider.push(sure(0));
  assert.deepEqual([decision?.class, decision?.step, decision?.early], [0, 5, true]);
  decider.restart();
  assert.equal(decider.push([Number.NaN, 1, 2]), undefined);
  assert.equal(decider.push([Number.NaN, 1, 2]), undefined);
  assert.deepEqual([decider.end().class, decider.end().early, decider.end().step], [-1, false, 2]);
  assert.throws(() => new StreamDecider({ ...rule, least: 0 }), { code: 'USAGE_BAD_OPTION' });
  assert.throws(() => new StreamDecider(rule).end(), { code: 'USAGE_BAD_OPTION' });
});

test('deciding step by step is what the recorded table says', () => {
  const { scores } = walks(200, 4);
  for (const [consecutive, least] of [
    [1, 1],
    [2, 1],
    [3, 4],
  ] as const) {
    const thresholds = Array.from({ length: STEPS - 1 }, (_, step) => 0.95 - 0.04 * step);
    const table = streamTable({ scores }, READING, { consecutive, least });
    const { leaving } = outcomeOf(table, thresholds);
    const counted = new Array<number>(STEPS).fill(0);
    const decider = new StreamDecider({
      ...READING,
      thresholds: [...thresholds, Number.POSITIVE_INFINITY],
      consecutive,
      least,
    });
    for (let i = 0; i < scores.samples; i++) {
      decider.restart();
      let step = STEPS;
      for (const [t, row] of scores.scores.entries()) {
        const decision = decider.push(row.subarray(i * CLASSES, (i + 1) * CLASSES));
        if (decision === undefined) continue;
        step = decision.step;
        assert.equal(step, t + 1);
        break;
      }
      counted[step - 1]!++;
    }
    assert.deepEqual(counted, leaving);
    assert.ok(counted[0] === 0 || least === 1);
  }
});

test('steps are saved and the promise holds on streams that nobody has seen', () => {
  const report = certifyStream({
    tuning: walks(800, 1),
    certification: walks(3000, 2),
    test: walks(3000, 3),
    reading: READING,
    maxDrop: 2,
  });
  assert.equal(report.certificate.outcome, 'certified');
  const { saved, drop, meanSteps, decided, early, atEnd } = report.test;
  assert.ok(saved > 0.15 && saved < 0.9, `${saved}`);
  assert.ok(Math.abs(1 - meanSteps / STEPS - saved) < 1e-9);
  assert.ok(drop.value < 0.03, `${drop.value}`);
  assert.ok(Math.abs(atEnd.value - early.value - drop.value) < 1e-9);
  assert.ok(Math.abs(decided.reduce((sum, one) => sum + one, 0) - 1) < 1e-9);
  // Without labels, right is what the end says.
  const bare = (streams: Streams) => ({ scores: streams.scores });
  const blind = certifyStream({
    tuning: bare(walks(800, 1)),
    certification: bare(walks(3000, 2)),
    test: bare(walks(500, 3)),
    reading: READING,
    maxDrop: 2,
  });
  assert.equal(blind.test.atEnd.value, 1);
});

test('what cannot be promised is not: every stream goes to its end', () => {
  const streams = (seed: number) => walks(60, seed);
  const report = certifyStream({
    tuning: streams(1),
    certification: streams(2),
    test: streams(3),
    reading: READING,
    maxDrop: 0.5,
  });
  assert.equal(report.certificate.outcome, 'infeasible');
  assert.equal(report.test.meanSteps, STEPS);
  assert.equal(report.test.saved, 0);
});

test('what is not heard yet is silence, behind the beginning or before it', () => {
  const whole = Tensor.float32([2, 3, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const options = { axis: 1, hop: 1, fill: [-1, -2] };
  assert.deepEqual(heard(whole, 1, options).numbers(), [1, 2, -1, -2, -1, -2, 7, 8, -1, -2, -1, -2]);
  assert.deepEqual(
    heard(whole, 2, { ...options, as: 'sliding' }).numbers(),
    [-1, -2, 1, 2, 3, 4, -1, -2, 7, 8, 9, 10],
  );
  assert.deepEqual(heard(whole, 3, options).numbers(), whole.numbers());
  const words = Tensor.int64([1, 3], [5, 6, 7]);
  assert.deepEqual(heard(words, 2, { axis: 1, hop: 1, fill: 9 }).numbers(), [5, 6, 9]);
  assert.throws(() => heard(whole, 1, { ...options, fill: [1] }), { code: 'STAGES_INVALID' });
});

const DATA = inMemory({
  x: Tensor.float32(
    [3, 4, 2],
    Array.from({ length: 24 }, (_, i) => ((i * 7) % 5) - 2),
  ),
});

/** Sums over what was heard of each of the two numbers of a frame, by plain loops. */
function sums(hop: number): StreamScores {
  const values = Array.from({ length: 24 }, (_, i) => ((i * 7) % 5) - 2);
  const steps = Math.floor(4 / hop);
  const scores = Array.from({ length: steps }, (_, step) =>
    Float32Array.from({ length: 6 }, (_, at) => {
      let sum = 0;
      for (let t = 0; t < (step + 1) * hop; t++) sum += values[(at >> 1) * 8 + t * 2 + (at % 2)]!;
      return sum;
    }),
  );
  return { samples: 3, steps, classes: 2, scores };
}

test('windows and kept state hear the same', async (t) => {
  const window = await openSession(
    parseText(`<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4, 2] x) => (float[N, 2] y)
      <int64[1] a = {1}> { y = ReduceSum<keepdims = 0>(x, a) }`),
    { threads: 1 },
  );
  const stateful = await openStateful(
    parseText(`<ir_version: 8, opset_import: ["" : 17]> g (float[1, 2, 2] x, float[1, 2] s) => (float[1, 2] y, float[1, 2] next)
      <int64[1] a = {1}> { z = ReduceSum<keepdims = 0>(x, a) next = Add(z, s) y = Identity(next) }`),
    { carry: { s: 'next' }, initial: { s: Tensor.float32([1, 2], [0, 0]) }, settings: { threads: 1 } },
  );
  t.after(() => Promise.all([window.dispose(), stateful.dispose()]));
  const options = { axis: 1, hop: 2, output: 'y' };
  assert.deepEqual(await windowScores(window, DATA, { ...options, batch: 2 }), sums(2));
  assert.deepEqual(await statefulScores(stateful, DATA, options), sums(2));
  assert.deepEqual(await windowScores(window, DATA, { ...options, hop: 1 }), sums(1));
  await assert.rejects(windowScores(window, DATA, { ...options, hop: 5 }), { code: 'USAGE_BAD_OPTION' });
  await stateful.restart();
  let heardChunks = 0;
  function* chunks(): Generator<Feeds> {
    for (const value of [0, 1, 3, 100]) {
      heardChunks++;
      yield { x: Tensor.float32([1, 2, 2], [0, value, 0, value]) };
    }
  }
  const rule: StreamRule = { ...READING, thresholds: [0.99], consecutive: 1, least: 1 };
  const decision = await decideStream(chunks(), (chunk) => stateful.step(chunk), rule, 'y');
  assert.deepEqual([decision.class, decision.step, decision.early, heardChunks], [1, 3, true, 3]);
});

const VAD = sharedData('silero-vad/silero_vad_op18_ifless.onnx');

test('a voice detector with state is heard step by step', {
  skip: VAD === undefined && 'data absent',
}, async (t) => {
  const model = await loadModel(VAD!);
  const state = Tensor.float32([2, 1, 128], new Float32Array(256));
  const session = await openStateful(model, {
    carry: { state: 'stateN' },
    initial: { state },
    settings: { threads: 1 },
  });
  const plain = await openSession(model, { threads: 1 });
  t.after(() => Promise.all([session.dispose(), plain.dispose()]));
  const random = new Random(3);
  const x = Tensor.float32(
    [2, 2048],
    Float32Array.from({ length: 4096 }, () => 0.1 * random.normal()),
  );
  const data = inMemory({ input: x });
  const also = { sr: Tensor.int64([], [16000]) };
  const scores = await statefulScores(session, data, { axis: 1, hop: 512, also, output: 'output' });
  assert.deepEqual([scores.samples, scores.steps, scores.classes], [2, 4, 1]);
  for (const sample of [0, 1]) {
    let kept = state;
    for (let step = 0; step < 4; step++) {
      const start = sample * 2048 + step * 512;
      const input = Tensor.float32([1, 512], x.as('float32').slice(start, start + 512));
      const found = await plain.run({ input, state: kept, ...also });
      assert.ok(Math.abs(found.output!.numbers()[0]! - scores.scores[step]![sample]!) < 1e-5);
      kept = found.stateN!;
    }
  }
});
