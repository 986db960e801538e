import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GrpcInferenceClient, InferenceClient, type InferenceService } from '../../src/client/index.ts';
import { openRemote } from '../../src/cluster/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { startGrpc } from '../../src/serve/index.ts';
import { assertSame } from '../any-tensor.ts';
import { openPlain, type PlainServed } from './plain-models.ts';
import { eventually } from './raw-http.ts';
import { startRest } from './rest-server.ts';

/** The client of the package and the server of the package, whom other tests hold to the specification one by one. */
interface Side {
  readonly client: InferenceService;
  readonly pair: PlainServed;
  readonly url: string;
}

const sides: Record<string, Side> = {};
const closing: (() => Promise<unknown>)[] = [];

before(async () => {
  const rest = await startRest({}, 'pair', 'text', 'flags', 'lookup');
  const plain = await openPlain('pair', 'text', 'flags', 'lookup');
  const grpc = await startGrpc(plain.models, plain.observer, { host: '127.0.0.1', port: 0 });
  const http = `http://127.0.0.1:${rest.port}`;
  const options = { backoffMs: 5 };
  sides['REST, binary'] = {
    client: new InferenceClient(http, options),
    pair: rest.served.pair,
    url: `${http}/v2/models/pair`,
  };
  sides['REST, JSON'] = {
    client: new InferenceClient(http, { ...options, binary: false }),
    pair: rest.served.pair,
    url: `${http}/v2/models/pair`,
  };
  sides.gRPC = {
    client: new GrpcInferenceClient(`grpc://127.0.0.1:${grpc.port}`, options),
    pair: plain.served.pair,
    url: `grpc://127.0.0.1:${grpc.port}/pair`,
  };
  closing.push(rest.close, () => grpc.cut(), plain.close);
});

after(async () => {
  for (const { client } of Object.values(sides)) await client.close();
  for (const close of closing) await close();
});

const x = Tensor.float32([2, 3], [1, 2, 3, -0, 0.1, Number.NaN]);
const k = Tensor.int64([2, 2], [2n ** 62n + 1n, -5, 0, 1]);
const short = { x: Tensor.float32([1, 3], [1, 2, 3]), k: Tensor.int64([1, 2], [4, 5]) };

/** One test for every way to ask. */
function every(what: string, run: (side: Side, name: string) => Promise<void>): void {
  test(what, async (t) => {
    for (const [name, side] of Object.entries(sides)) await t.test(name, () => run(side, name));
  });
}

every('health, metadata, answers with their cost, versions', async ({ client }) => {
  assert.deepEqual(
    [await client.live(), await client.ready(), await client.modelReady('pair')],
    [true, true, true],
  );
  assert.equal(await client.modelReady('nobody'), false);
  assert.ok((await client.serverMetadata()).extensions.includes('binary_tensor_data'));
  const { inputs, outputs, versions } = await client.modelMetadata('pair');
  assert.deepEqual(inputs[1], { name: 'k', dtype: 'int64', shape: [null, 2] });
  assert.deepEqual(
    [outputs.map(({ name }) => name), versions],
    [
      ['y', 'j'],
      ['1', '2'],
    ],
  );
  const answer = await client.infer('pair', { x, k }, { id: 'seven' });
  assertSame(answer.outputs.y!, Tensor.float32([2, 3], [2, 4, 6, -0, 2 * Math.fround(0.1), Number.NaN]));
  assertSame(answer.outputs.j!, Tensor.int64([2, 2], [-(2n ** 62n) - 1n, 5, 0, -1]));
  assert.deepEqual([answer.id, answer.modelName, answer.modelVersion], ['seven', 'pair', '2']);
  assert.equal(answer.cost.batch, 2);
  assert.ok(answer.cost.computeMs! >= 0);
  const old = await client.infer('pair', { x, k }, { version: '1', outputs: ['j'] });
  assert.deepEqual([old.modelVersion, Object.keys(old.outputs)], ['1', ['j']]);
});

every('strings, booleans, small integers and 16-bit floats', async ({ client }, name) => {
  const { outputs } = await client.infer('text', { s: { shape: [3], data: ['', 'ü\n"', 'a\tb'] } });
  assert.deepEqual(outputs.t!.strings(), ['', 'ü\n"', 'a\tb']);
  const half = Tensor.ofBytes('float16', [1], Uint8Array.of(0, 0x3c));
  const flags = client.infer('flags', {
    b: { dtype: 'bool', shape: [1], data: Uint8Array.of(1) },
    u: { shape: [1], data: Uint8Array.of(200) },
    i: { shape: [1], data: Int8Array.of(-100) },
    h: half,
    d: { shape: [1], data: Float64Array.of(0.1) },
  });
  if (name === 'REST, JSON') return assert.rejects(flags, { code: 'REQUEST_INVALID' });
  const found = (await flags).outputs;
  assert.deepEqual([found.nb!.numbers(), found.nu!.numbers(), found.ni!.numbers()], [[0], [200], [-100]]);
  assertSame(found.nh!, half);
  assert.deepEqual(found.nd!.numbers(), [0.1]);
});

every('what is wrong is told by the same code', async ({ client }) => {
  const cases: [() => Promise<unknown>, string][] = [
    [() => client.infer('nobody', { x }), 'MODEL_UNKNOWN'],
    [() => client.infer('pair', { x, k }, { version: '9' }), 'MODEL_UNKNOWN'],
    [() => client.infer('pair', { x }), 'FEED_MISMATCH'],
    [() => client.infer('pair', { x: k, k }), 'FEED_MISMATCH'],
    [() => client.infer('lookup', { i: Tensor.int64([1], [99]) }), 'RUNTIME_FAILED'],
    [() => client.infer('pair', { x, k }, { parameters: { priority: 'high' } }), 'REQUEST_INVALID'],
    [() => client.modelMetadata('nobody'), 'MODEL_UNKNOWN'],
  ];
  for (const [call, code] of cases) await assert.rejects(call(), { code });
});

every(
  'an overloaded server is asked again when it says, and within the deadline alone',
  async ({ client, pair }) => {
    pair.capacity = 0;
    try {
      const refused = client.infer('pair', short, { timeoutMs: 1000 });
      await assert.rejects(refused, (error: { code: string; data: { retryAfterMs: number } }) => {
        assert.deepEqual([error.code, error.data.retryAfterMs], ['OVERLOADED', 1500]);
        return true;
      });
      const patient = client.infer('pair', short);
      setTimeout(() => {
        pair.capacity = 1000;
      }, 50);
      assert.equal((await patient).tries, 2);
    } finally {
      pair.capacity = 1000;
    }
  },
);

every('deadline, priority and stream reach the scheduler, and so does a caller who leaves', async (side) => {
  const { client, pair } = side;
  const before = performance.now();
  const sequence = { id: 'call-7', start: true };
  await client.infer('pair', short, { timeoutMs: 5000, priority: 1, sequence });
  const { deadline, priority, sequence: stream } = pair.asks.at(-1)!;
  assert.ok(deadline! > before && deadline! <= performance.now() + 5000, String(deadline));
  assert.deepEqual([priority, stream], [1, { id: 'call-7', start: true, end: false }]);
  let open = () => {};
  pair.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  try {
    const controller = new AbortController();
    const asked = pair.asks.length;
    const waiting = client.infer('pair', short, { signal: controller.signal });
    const left = assert.rejects(waiting, { message: 'gone' });
    await eventually(() => pair.asks.length > asked, 'the request arrives');
    controller.abort(new Error('gone'));
    await left;
    await eventually(() => pair.asks.at(-1)!.signal!.aborted, 'the server sees that its client has gone');
    await assert.rejects(client.infer('pair', short, { timeoutMs: 100 }), { code: 'DEADLINE_MISSED' });
  } finally {
    open();
    pair.gate = Promise.resolve();
  }
  await eventually(() => pair.taken === 0, 'all tickets are given back');
});

every('a served model is a session', async ({ url }) => {
  const session = await openRemote(`${url}/versions/1`);
  const found = await session.run(short);
  assert.deepEqual(
    [found.y!.numbers(), found.j!.numbers()],
    [
      [2, 4, 6],
      [-4, -5],
    ],
  );
  await assert.rejects(session.run({ x: short.x }), { code: 'FEED_MISMATCH' });
  await session.dispose();
});
