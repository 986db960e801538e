import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ROOT, sharedData } from '../../../test/shared-data.ts';
import { Random } from '../../base/index.ts';
import { parseText, Tensor } from '../../graph/index.ts';
import { openSession, type Session } from '../../run/index.ts';
import type { Answered, Ask, Computed, Engine, EngineRun } from '../ports.ts';
import { Batcher, type BatcherOptions } from './batcher.ts';

/** A real engine in threads; it counts what it runs and can be held up. */
class Threads implements Engine {
  readonly session: Session;
  readonly lanes = 1;
  readonly sizes: number[] = [];
  gate: Promise<void> = Promise.resolve();

  constructor(session: Session) {
    this.session = session;
  }
  get inputs() {
    return this.session.inputs;
  }
  get outputs() {
    return this.session.outputs;
  }
  get metadata() {
    return this.session.metadata;
  }
  async run(feeds: Parameters<Session['run']>[0], options: EngineRun = {}): Promise<Computed> {
    this.sizes.push(options.samples!);
    await this.gate;
    const started = performance.now();
    const fetches = await this.session.run(feeds, { outputs: options.outputs });
    const ms = performance.now() - started;
    return { fetches, computeMs: ms, cpuSeconds: ms / 1000 };
  }
  dispose() {
    return this.session.dispose();
  }
}

const open: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of open) await end();
});

async function batched(model: Parameters<typeof openSession>[0], options: Partial<BatcherOptions> = {}) {
  const engine = new Threads(await openSession(model, { threads: 1, instances: 1 }));
  const batcher = new Batcher(engine, { name: 'm', version: '1', goalMs: 20_000, ...options });
  open.push(async () => {
    batcher.dispose();
    await engine.dispose();
  });
  return { engine, batcher };
}

const ask = (batcher: Batcher, feeds: Record<string, Tensor>, more: Partial<Ask> = {}): Promise<Answered> => {
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  const ticket = batcher.take({ shapes, ...more });
  for (const [name, tensor] of Object.entries(feeds)) ticket.give(name, tensor);
  return ticket.submit();
};

/** Holds the engine up until what is returned is called. */
function hold(engine: Threads): () => void {
  let release: () => void = () => undefined;
  engine.gate = new Promise((resolve) => {
    release = resolve;
  });
  return release;
}

const random = new Random(3);
const floats = (dims: number[]) =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );

function assertAlike(found: Tensor, wanted: Tensor): void {
  assert.deepEqual(found.dims, wanted.dims);
  const [a, b] = [found.as('float32'), wanted.as('float32')];
  for (let i = 0; i < a.length; i++) {
    assert.ok(Math.abs(a[i]! - b[i]!) <= 1e-5 * (1 + Math.abs(b[i]!)), `${a[i]} ${b[i]}`);
  }
}

test('many requests of a keyword spotter, of one and more samples, are each answered as alone, in fewer batches', async () => {
  const { engine, batcher } = await batched(join(ROOT, 'examples/keyword-spotter/heavy.onnx'), {
    maxBatch: 16,
  });
  await batcher.warmUp({ repeats: 1 });
  const warm = engine.sizes.length;
  const inputs = Array.from({ length: 40 }, (_, i) => floats([i === 7 ? 37 : 1 + (i % 3), 1, 49, 10]));
  const answers = await Promise.all(inputs.map((mfcc) => ask(batcher, { mfcc })));
  // How many exactly depends on what was learned of this machine.
  assert.ok(engine.sizes.length - warm < inputs.length, `${engine.sizes.length - warm} batches`);
  assert.ok(answers.some(({ meter }) => meter.batch > meter.samples));
  for (const [i, { fetches, meter }] of answers.entries()) {
    const alone = await engine.session.run({ mfcc: inputs[i]! });
    assertAlike(fetches.scores!, alone.scores!);
    assert.equal(meter.samples, inputs[i]!.dims[0]);
    assert.ok(meter.batch >= Math.min(3, meter.samples) && meter.cpuSeconds > 0 && meter.queueMs >= 0);
  }
  assert.equal(batcher.memory.lent, 0);
  assert.ok(batcher.state().curve.length > 3);
});

test('MNIST-8 takes one sample a call: its requests are computed alone', async (t) => {
  const path = sharedData('mnist/mnist-8.onnx');
  if (path === undefined) return t.skip('shared data absent');
  const { engine, batcher } = await batched(path);
  const [name, out] = [batcher.inputs[0]!.name, batcher.outputs[0]!.name];
  const inputs = Array.from({ length: 6 }, () => floats([1, 1, 28, 28]));
  const answers = await Promise.all(inputs.map((x) => ask(batcher, { [name]: x })));
  for (const [i, { fetches }] of answers.entries()) {
    assert.deepEqual(fetches[out]!.bytes(), (await engine.session.run({ [name]: inputs[i]! }))[out]!.bytes());
  }
  assert.equal(batcher.state().maxBatch, 1);
});

/** Row sums picked by an index that may be out of bounds: then the runtime fails. */
const PICK = parseText(`<ir_version: 8, opset_import: ["" : 17]>
pick (float[N, 4] x, int64[N, 1] at) => (float[N, 1] y, float[M] n)
{
  y = GatherElements <axis = 1> (x, at)
  n = Constant <value = float[5] {1, 2, 3, 4, 5}> ()
}`);

const row = (values: number[], at: number) => ({
  x: Tensor.float32([1, 4], values),
  at: Tensor.int64([1, 1], [at]),
});

test('a bad request does not fail its neighbours', async () => {
  const { engine, batcher } = await batched(PICK, { maxBatch: 8 });
  const release = hold(engine);
  const first = ask(batcher, row([1, 2, 3, 4], 0), { outputs: ['y'] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const others = [1, 99, 2, 3].map((at) => ask(batcher, row([1, 2, 3, 4], at), { outputs: ['y'] }));
  const settled = Promise.allSettled(others);
  release();
  assert.deepEqual([...(await first).fetches.y!.as('float32')], [1]);
  const results = await settled;
  const values = results.map((one) =>
    one.status === 'fulfilled' ? one.value.fetches.y!.as('float32')[0] : one.reason.code,
  );
  assert.deepEqual(values, [2, 'RUNTIME_FAILED', 3, 4]);
  assert.equal(batcher.memory.lent, 0);
});

test('who leaves while waiting is not computed, whose deadline passes is told, and what comes slowly holds nobody up', async () => {
  const { engine, batcher } = await batched(PICK, { maxBatch: 8 });
  const release = hold(engine);
  const first = ask(batcher, row([1, 2, 3, 4], 0), { outputs: ['y'] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const slow = batcher.take({ shapes: { x: [1, 4], at: [1, 1] }, outputs: ['y'] });
  slow.write('x', 0, new Uint8Array(Float32Array.of(5, 6).buffer));
  const gone = new AbortController();
  const left = ask(batcher, row([1, 2, 3, 4], 1), { signal: gone.signal, outputs: ['y'] });
  const late = ask(batcher, row([1, 2, 3, 4], 2), { deadline: performance.now() + 30, outputs: ['y'] });
  const kept = ask(batcher, row([1, 2, 3, 4], 3), { outputs: ['y'] });
  gone.abort();
  await assert.rejects(left, { code: 'CANCELLED' });
  await assert.rejects(late, { code: 'DEADLINE_MISSED' });
  release();
  await first;
  assert.equal((await kept).fetches.y!.as('float32')[0], 4);
  assert.deepEqual(engine.sizes, [1, 1]);
  slow.write('x', 8, new Uint8Array(Float32Array.of(7, 8).buffer));
  slow.give('at', Tensor.int64([1, 1], [2]));
  assert.equal((await slow.submit()).fetches.y!.as('float32')[0], 7);
  assert.equal(batcher.memory.lent, 0);
});

test('what does not fit is refused: shapes, bytes, names, unfilled inputs, too much in the queue', async () => {
  const { engine, batcher } = await batched(PICK, { maxBatch: 8, maxQueue: 4 });
  const mismatch = { code: 'FEED_MISMATCH' };
  assert.throws(() => batcher.take({ shapes: { x: [1, 4] } }), mismatch);
  assert.throws(() => batcher.take({ shapes: { x: [1, 5], at: [1, 1] } }), mismatch);
  assert.throws(() => batcher.take({ shapes: { x: [2, 4], at: [1, 1] } }), mismatch);
  assert.throws(() => batcher.take({ shapes: { x: [0, 4], at: [0, 1] } }), mismatch);
  assert.throws(() => batcher.take({ shapes: { x: [1, 4], at: [1, 1], z: [1] } }), mismatch);
  const ticket = batcher.take({ shapes: { x: [1, 4], at: [1, 1] } });
  assert.equal(ticket.bytesOf('x'), 16);
  assert.throws(() => ticket.write('x', 8, new Uint8Array(16)), mismatch);
  ticket.write('x', 8, new Uint8Array(8));
  ticket.give('at', Tensor.int64([1, 1], [0]));
  await assert.rejects(ticket.submit(), mismatch);
  const release = hold(engine);
  const running = ask(batcher, row([1, 2, 3, 4], 0), { outputs: ['y'] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const waiting = [1, 2, 3, 0].map((at) => ask(batcher, row([1, 2, 3, 4], at), { outputs: ['y'] }));
  assert.throws(
    () => batcher.take({ shapes: { x: [1, 4], at: [1, 1] } }),
    ({ code, data }: { code: string; data: { retryAfterMs: number } }) =>
      code === 'OVERLOADED' && data.retryAfterMs > 0,
  );
  release();
  await Promise.all([running, ...waiting]);
  assert.equal(batcher.memory.lent, 0);
});

test('an output that has no row for each sample ends batching, and everybody is answered', async () => {
  const { engine, batcher } = await batched(PICK, { maxBatch: 8 });
  const release = hold(engine);
  const first = ask(batcher, row([1, 2, 3, 4], 0));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const others = [1, 2, 3].map((at) => ask(batcher, row([1, 2, 3, 4], at)));
  release();
  await first;
  for (const [i, { fetches }] of (await Promise.all(others)).entries()) {
    assert.equal(fetches.y!.as('float32')[0], i + 2);
    assert.deepEqual([...fetches.n!.as('float32')], [1, 2, 3, 4, 5]);
  }
  assert.equal(batcher.state().maxBatch, 1);
});

test('an output that does not grow with the samples is seen at the warm-up, also where one batch would agree with it by chance', async () => {
  const { batcher } = await batched(PICK, { maxBatch: 8 });
  assert.equal(batcher.state().maxBatch, 8);
  await batcher.warmUp({ repeats: 1 });
  assert.equal(batcher.state().maxBatch, 1);
  const spotter = await batched(join(ROOT, 'examples/keyword-spotter/heavy.onnx'), { maxBatch: 4 });
  await spotter.batcher.warmUp({ repeats: 1 });
  assert.equal(spotter.batcher.state().maxBatch, 4);
});
