import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { sumModel } from '../../../test/run-models.ts';
import { sharedData } from '../../../test/shared-data.ts';
import type { ModicumError } from '../../base/index.ts';
import { Tensor } from '../../graph/index.ts';
import { type Feeds, openSession } from '../../run/index.ts';
import { Batcher } from '../batch/batcher.ts';
import { openEngine } from '../compute/open-engine.ts';
import type { ProcessEngine } from '../compute/process-engine.ts';
import { ThreadEngine } from '../compute/thread-engine.ts';
import type { Sequence, Served } from '../ports.ts';
import { SequenceStore } from './sequence-store.ts';
import { declaredState, StatefulServed, type StateOfModel } from './stateful.ts';

const ALONE = { name: 'm', version: '1', goalMs: 60_000 };
const code =
  (wanted: string, words = /./) =>
  (thrown: unknown) =>
    (thrown as ModicumError).code === wanted && words.test((thrown as Error).message);

async function summing(sequences: SequenceStore): Promise<{ served: Served; dispose(): Promise<void> }> {
  const session = await openSession(sumModel(), { threads: 1 });
  const engine = new ThreadEngine(session, 1, 1);
  const served = new StatefulServed(new Batcher(engine, ALONE), { state: { sum: 'total' }, sequences });
  return { served, dispose: () => engine.dispose() };
}

const at = (id: string, flags: Partial<Sequence> = {}): Sequence => ({
  id,
  start: false,
  end: false,
  ...flags,
});

function step(served: Served, sequence: Sequence | undefined, x: number, key?: string) {
  const ticket = served.take({ shapes: { x: [1, 2] }, sequence, key });
  ticket.give('x', Tensor.float32([1, 2], [x, 2 * x]));
  return ticket.submit().then(({ fetches }) => {
    assert.deepEqual(Object.keys(fetches), ['y']);
    return -fetches.y!.numbers()[0]!;
  });
}

test('a sequence keeps its state from step to step, apart from all others, and the state is no input or output', async () => {
  const sequences = new SequenceStore();
  const { served, dispose } = await summing(sequences);
  try {
    assert.deepEqual(
      served.inputs.map(({ name }) => name),
      ['x'],
    );
    assert.deepEqual(
      served.outputs.map(({ name }) => name),
      ['y'],
    );
    assert.equal(await step(served, at('a', { start: true }), 1), 1);
    assert.equal(await step(served, at('b', { start: true }), 10), 10);
    assert.equal(await step(served, at('a'), 2), 3);
    assert.equal(await step(served, at('a', { start: true }), 5, 'another key'), 5);
    assert.equal(await step(served, at('b', { end: true }), 10), 20);
    assert.equal(await step(served, at('a', { end: true }), 3), 6);
    assert.equal(sequences.size, 1);
    assert.equal(await step(served, at('a', { start: true, end: true }), 4), 4);
    assert.throws(() => served.take({ shapes: { x: [1, 2] } }), code('REQUEST_INVALID', /sequence_id/));
    assert.throws(() => step(served, at('a'), 1), code('REQUEST_INVALID', /not known/));
    assert.throws(
      () => step(served, at('a', { start: true }), 1, 'another key'),
      code('REQUEST_INVALID', /begun/),
    );
  } finally {
    await dispose();
  }
});

test('steps that are sent without waiting are computed in their order, written in pieces or given', async () => {
  const { served, dispose } = await summing(new SequenceStore());
  try {
    const answers = Array.from({ length: 20 }, (_, i) => {
      const ticket = served.take({
        shapes: { x: [1, 2] },
        sequence: at('s', { start: i === 0, end: i === 19 }),
      });
      const bytes = new Uint8Array(Float32Array.of(i, 0).buffer);
      assert.equal(ticket.bytesOf('x'), 8);
      ticket.write('x', 0, bytes.subarray(0, 5));
      ticket.write('x', 5, bytes.subarray(5));
      return ticket;
    });
    // The last is submitted first.
    const submitted = answers.reverse().map((ticket) => ticket.submit());
    const totals = (await Promise.all(submitted)).map(({ fetches }) => -fetches.y!.numbers()[0]!).reverse();
    assert.deepEqual(
      totals,
      Array.from({ length: 20 }, (_, i) => (i * (i + 1)) / 2),
    );
  } finally {
    await dispose();
  }
});

test('a step that fails or is given up leaves the state, and those that were sent behind it are refused', async () => {
  const { served, dispose } = await summing(new SequenceStore());
  try {
    assert.equal(await step(served, at('s', { start: true }), 1), 1);
    const bad = served.take({ shapes: { x: [1, 2] }, sequence: at('s') });
    const behind = step(served, at('s'), 5);
    await assert.rejects(bad.submit(), code('FEED_MISMATCH'));
    await assert.rejects(behind, code('FEED_MISMATCH', /follow a gap/));
    const left = served.take({ shapes: { x: [1, 2] }, sequence: at('s') });
    const late = served.take({ shapes: { x: [1, 2] }, sequence: at('s') });
    late.cancel();
    left.cancel();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await step(served, at('s'), 2), 3);
    const end = served.take({ shapes: { x: [1, 2] }, sequence: at('s', { end: true }) });
    end.cancel();
    assert.equal(await step(served, at('s', { end: true }), 3), 6);
    // What never began is not there.
    served.take({ shapes: { x: [1, 2] }, sequence: at('t', { start: true }) }).cancel();
    assert.throws(() => step(served, at('t'), 1), code('REQUEST_INVALID', /not known/));
  } finally {
    await dispose();
  }
});

test('sequences are bounded in number, in steps that wait, and in time', async () => {
  let now = 0;
  const sequences = new SequenceStore({ most: 2, idleMs: 1000, mostWaiting: 3, now: () => now });
  const { served, dispose } = await summing(sequences);
  try {
    await step(served, at('a', { start: true }), 1);
    now = 500;
    await step(served, at('b', { start: true }), 1);
    assert.throws(() => step(served, at('c', { start: true }), 1), code('OVERLOADED'));
    now = 1200;
    assert.throws(() => step(served, at('a'), 1), code('REQUEST_INVALID', /forgotten after 1000 ms/));
    assert.equal(await step(served, at('c', { start: true }), 1), 1);
    const waiting = [1, 2, 3].map((x) => step(served, at('b'), x));
    assert.throws(() => step(served, at('b'), 4), code('OVERLOADED'));
    assert.deepEqual(await Promise.all(waiting), [2, 4, 7]);
    now = 5000;
    assert.equal(sequences.size, 0);
  } finally {
    await dispose();
  }
});

test('a model may declare its state itself; what does not fit is refused', async () => {
  const metadata = new Map([['modicum.state', '{"sum":"total"}']]);
  const session = await openSession(sumModel(metadata), { threads: 1 });
  const engine = new ThreadEngine(session, 1, 1);
  try {
    assert.deepEqual(declaredState(engine.metadata), { sum: 'total' });
    assert.equal(declaredState(new Map()), undefined);
    for (const text of ['[', '[]', 'null', '{"sum":1}']) {
      assert.throws(() => declaredState(new Map([['modicum.state', text]])), code('SERVER_CONFIG_INVALID'));
    }
    const inner = new Batcher(engine, ALONE);
    const sequences = new SequenceStore();
    for (const state of [{ nothing: 'total' }, { sum: 'nothing' }] as StateOfModel[]) {
      assert.throws(() => new StatefulServed(inner, { state, sequences }), code('SERVER_CONFIG_INVALID'));
    }
  } finally {
    await engine.dispose();
  }
});

const VAD = sharedData('silero-vad/silero_vad_op18_ifless.onnx');
const WAV = sharedData('silero-vad/test.wav');

test('a voice detector hears three streams at once as it hears each alone, while its processes are killed', {
  skip: VAD && WAV ? false : 'data absent',
}, async () => {
  const wav = await readFile(WAV!);
  const sound = new Int16Array(new Uint8Array(wav.subarray(44)).buffer, 0, (wav.length - 44) >> 1);
  const [STREAMS, STEPS, HOP, CONTEXT] = [3, 60, 512, 64];
  const window = (stream: number, i: number) => {
    const from = stream * 200_000 + i * HOP;
    const x = Float32Array.from(
      { length: CONTEXT + HOP },
      (_, k) => (sound[from + k - CONTEXT] ?? 0) / 32_768,
    );
    return { input: Tensor.float32([1, CONTEXT + HOP], x), sr: Tensor.int64([], [16_000]) };
  };
  const straight = await openSession(VAD!, { threads: 1 });
  const wanted: number[][] = [];
  for (let stream = 0; stream < STREAMS; stream++) {
    let state: Tensor = Tensor.float32([2, 1, 128], new Float32Array(256));
    const row: number[] = [];
    for (let i = 0; i < STEPS; i++) {
      const feeds: Feeds = { ...window(stream, i), state };
      const { output, stateN } = await straight.run(feeds);
      state = stateN!;
      row.push(output!.numbers()[0]!);
    }
    wanted.push(row);
  }
  await straight.dispose();
  const engine = (await openEngine(VAD!, { settings: { instances: 2, threads: 1 } })) as ProcessEngine;
  try {
    const served = new StatefulServed(new Batcher(engine, ALONE), {
      state: { state: 'stateN' },
      sequences: new SequenceStore(),
    });
    const hear = async (stream: number) => {
      const row: number[] = [];
      for (let i = 0; i < STEPS; i++) {
        const sequence = at(`stream ${stream}`, { start: i === 0, end: i === STEPS - 1 });
        const feeds = window(stream, i);
        const ticket = served.take({ shapes: { input: [1, CONTEXT + HOP], sr: [] }, sequence });
        for (const [name, tensor] of Object.entries(feeds)) ticket.give(name, tensor);
        if (stream === 0 && i % 20 === 10)
          process.kill(engine.workers().find(({ pid }) => pid)!.pid!, 'SIGKILL');
        row.push((await ticket.submit()).fetches.output!.numbers()[0]!);
      }
      return row;
    };
    const found = await Promise.all([0, 1, 2].map(hear));
    assert.deepEqual(found, wanted);
    assert.ok(
      wanted.flat().some((p) => p > 0.5) && wanted.flat().some((p) => p < 0.1),
      'there is speech and silence',
    );
  } finally {
    await engine.dispose();
  }
});
