import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ServiceError } from '@grpc/grpc-js';
import { Door, makeKey, startGrpc } from '../../src/serve/index.ts';
import {
  contents,
  fieldsOf,
  inferRequest,
  inferResponse,
  param,
  WireClient,
  type WireRequest,
} from './grpc-wire.ts';
import { openPlain } from './plain-models.ts';
import { eventually } from './raw-http.ts';

const STATUS = {
  ...{ CANCELLED: 1, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, RESOURCE_EXHAUSTED: 8 },
  ...{ UNIMPLEMENTED: 12, INTERNAL: 13, UNAVAILABLE: 14, UNAUTHENTICATED: 16 },
};
const SERVICE = '/inference.GRPCInferenceService';

type Plain = Awaited<ReturnType<typeof openPlain>>;
let plain: Plain;
let door: Door;
let server: Awaited<ReturnType<typeof startGrpc>>;
let client: WireClient;
before(async () => {
  plain = await openPlain('pair', 'text', 'flags', 'lookup', 'big');
  door = new Door(plain.models, plain.observer);
  server = await startGrpc(plain.models, plain.observer, { host: '127.0.0.1', port: 0, door });
  client = new WireClient(server.port);
});
after(async () => {
  client.close();
  await server.cut();
  await plain.close();
});

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const longs = (...values: number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const X = { name: 'x', datatype: 'FP32', shape: [1, 3] };
const K = { name: 'k', datatype: 'INT64', shape: [1, 2] };
const RAW: WireRequest = { model: 'pair', inputs: [X, K], raw: [floats(1, 2, 3), longs(4, 5)] };
const named = (name: string) =>
  Buffer.from(new BinaryWriter().tag(1, WireType.LengthDelimited).string(name).finish());
const NOTHING = new Uint8Array(0);

const fails = async (call: Promise<unknown>, code: number, ours?: string) => {
  await assert.rejects(call, (error: ServiceError) => {
    assert.deepEqual([error.code, error.metadata.get('x-modicum-code')[0]], [code, ours], error.details);
    assert.doesNotMatch(error.details, /\n| {4}at |\.js|\.ts|\/work|node_modules/);
    return true;
  });
};

test('all six methods, and the health service', async () => {
  for (const method of ['ServerLive', 'ServerReady']) {
    assert.deepEqual(
      fieldsOf((await client.call(`${SERVICE}/${method}`, NOTHING)).message).get(1),
      [1n],
      method,
    );
  }
  assert.deepEqual(fieldsOf((await client.call(`${SERVICE}/ModelReady`, named('pair'))).message).get(1), [
    1n,
  ]);
  const of = fieldsOf((await client.call(`${SERVICE}/ServerMetadata`, NOTHING)).message);
  assert.equal(Buffer.from(of.get(1)![0] as Uint8Array).toString(), 'modicum');
  const model = fieldsOf((await client.call(`${SERVICE}/ModelMetadata`, named('pair'))).message);
  assert.deepEqual(
    model.get(2)!.map((bytes) => Buffer.from(bytes as Uint8Array).toString()),
    ['1', '2'],
  );
  const input = fieldsOf(model.get(4)![0] as Uint8Array);
  assert.equal(Buffer.from(input.get(2)![0] as Uint8Array).toString(), 'FP32');
  const health = '/grpc.health.v1.Health/Check';
  assert.deepEqual(fieldsOf((await client.call(health, NOTHING)).message).get(1), [1n]);
  plain.models.isReady = false;
  assert.deepEqual(
    fieldsOf((await client.call(health, named('inference.GRPCInferenceService'))).message).get(1),
    [2n],
  );
  assert.equal(fieldsOf((await client.call(`${SERVICE}/ServerReady`, NOTHING)).message).size, 0);
  plain.models.isReady = true;
  await fails(client.call(health, named('other')), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(client.call(`${SERVICE}/Other`, NOTHING), STATUS.UNIMPLEMENTED);
});

test('infers by raw contents and by typed ones, and says what it has cost', async () => {
  const raw = await client.infer({ ...RAW, id: 'abc', version: '1' });
  const { outputs, ...rest } = inferResponse(raw.message);
  assert.deepEqual(rest, {
    ...{ model: 'pair', version: '1', id: 'abc' },
    raw: [floats(2, 4, 6), longs(-4, -5)],
  });
  assert.deepEqual(
    outputs.map(({ name, datatype }) => [name, datatype]),
    [
      ['y', 'FP32'],
      ['j', 'INT64'],
    ],
  );
  assert.ok(Number(raw.trailers.get('x-modicum-compute-ms')[0]) >= 0);
  const typed = await client.infer({
    model: 'pair',
    inputs: [
      { ...X, contents: contents.fp32([1, 2, 3]) },
      { ...K, contents: contents.int64([4, 5]) },
    ],
    outputs: ['j'],
  });
  const answer = inferResponse(typed.message);
  assert.deepEqual([answer.version, answer.raw, answer.outputs.length], ['2', [], 1]);
  const strings = await client.infer({
    model: 'text',
    inputs: [
      {
        name: 's',
        datatype: 'BYTES',
        shape: [2],
        contents: contents.bytes([Buffer.from('a'), Buffer.from('ü')]),
      },
    ],
  });
  assert.equal(inferResponse(strings.message).outputs[0]!.name, 't');
  assert.ok(strings.message.includes(Buffer.from('ü')));
});

test('passes on deadline, priority, sequence and trace', async () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const before = performance.now();
  await client.infer(
    {
      ...RAW,
      parameters: [
        ['priority', param.int64(1)],
        ['sequence_id', param.text('s')],
        ['sequence_start', param.bool(true)],
      ],
    },
    { deadline: 5000, headers: { traceparent: trace } },
  );
  const asked = plain.served.pair.asks.at(-1)!;
  assert.ok(
    asked.deadline! > before + 4000 && asked.deadline! < performance.now() + 5001,
    String(asked.deadline! - before),
  );
  assert.deepEqual(
    [asked.priority, asked.sequence?.id, asked.sequence?.start, asked.traceparent],
    [1, 's', true, trace],
  );
  await fails(
    client.infer({ ...RAW, parameters: [['timeout', param.int64(1)]] }),
    STATUS.DEADLINE_EXCEEDED,
    'DEADLINE_MISSED',
  );
});

test('every refusal has its status and code', async () => {
  const { served } = plain;
  const one = (inputs: WireRequest['inputs'], raw?: Uint8Array[]) =>
    client.infer({ model: 'pair', inputs, raw });
  await fails(client.infer({ ...RAW, model: 'none' }), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(client.infer({ ...RAW, version: '9' }), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(client.infer({}), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(client.call(`${SERVICE}/ModelMetadata`, named('none')), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(client.call(`${SERVICE}/ModelReady`, named('none')), STATUS.NOT_FOUND, 'MODEL_UNKNOWN');
  await fails(
    client.call(`${SERVICE}/ModelMetadata`, Uint8Array.of(10, 200)),
    STATUS.INVALID_ARGUMENT,
    'REQUEST_INVALID',
  );
  await fails(
    client.call(`${SERVICE}/ModelInfer`, Buffer.alloc(100, 0xff)),
    STATUS.INVALID_ARGUMENT,
    'REQUEST_INVALID',
  );
  await fails(one([X, K], [floats(1, 2, 3)]), STATUS.INVALID_ARGUMENT, 'REQUEST_INVALID');
  await fails(one([X, K], [floats(1, 2), longs(4, 5)]), STATUS.INVALID_ARGUMENT, 'REQUEST_INVALID');
  await fails(
    one([{ ...X, shape: [-1, 3] }, K], [floats(1, 2, 3), longs(4, 5)]),
    STATUS.INVALID_ARGUMENT,
    'REQUEST_INVALID',
  );
  await fails(
    one([{ ...X, contents: contents.fp32([1, 2, 3]) }, K], [floats(1, 2, 3), longs(4, 5)]),
    STATUS.INVALID_ARGUMENT,
    'REQUEST_INVALID',
  );
  await fails(
    one([{ ...X, contents: contents.int64([1, 2, 3]) }, K]),
    STATUS.INVALID_ARGUMENT,
    'REQUEST_INVALID',
  );
  await fails(one([X], [floats(1, 2, 3)]), STATUS.INVALID_ARGUMENT, 'FEED_MISMATCH');
  await fails(client.infer({ ...RAW, outputs: ['z'] }), STATUS.INVALID_ARGUMENT, 'FEED_MISMATCH');
  const index = { name: 'i', datatype: 'INT64', shape: [1] };
  await fails(
    client.infer({ model: 'lookup', inputs: [index], raw: [longs(9)] }),
    STATUS.INTERNAL,
    'RUNTIME_FAILED',
  );
  served.pair.capacity = 0;
  await assert.rejects(client.infer(RAW), (error: ServiceError) => {
    assert.deepEqual([error.code, error.metadata.get('retry-after-ms')], [STATUS.UNAVAILABLE, ['1500']]);
    return true;
  });
  served.pair.capacity = 1000;
  served.pair.ready = false;
  await fails(client.infer({ ...RAW, version: '2' }), STATUS.UNAVAILABLE, 'MODEL_NOT_READY');
  served.pair.ready = true;
  assert.deepEqual([plain.models.leases, served.pair.taken, door.inside, door.held.held], [0, 0, 0, 0]);
  assert.deepEqual(
    plain.observer.events.map(({ kind }) => kind),
    ['request-failed'],
  );
});

test('a client that cancels, or whose deadline passes, frees its place', async () => {
  const { pair } = plain.served;
  let open = () => {};
  pair.gate = new Promise((resolve) => {
    open = resolve;
  });
  try {
    let cancel = () => {};
    const cancelled = client.infer(RAW, {
      cancelAfter: new Promise((resolve) => {
        cancel = resolve;
      }),
    });
    const late = client.infer(RAW, { deadline: 150 });
    await eventually(() => pair.taken === 2, 'both are waiting');
    const [first, second] = pair.asks.slice(-2);
    cancel();
    await fails(cancelled, STATUS.CANCELLED);
    await fails(late, STATUS.DEADLINE_EXCEEDED);
    await eventually(() => first!.signal!.aborted && second!.signal!.aborted, 'the model is told');
  } finally {
    open();
    pair.gate = Promise.resolve();
  }
  await eventually(
    () => pair.taken === 0 && plain.models.leases === 0 && door.inside === 0,
    'all is given back',
  );
});

test('messages over the limits are refused: whole ones, and those of many typed elements', async () => {
  const limits = { messageBytes: 2 ** 20, typedBytes: 64 * 1024, tensors: 4, dims: 3 };
  const small = await startGrpc(plain.models, plain.observer, { host: '127.0.0.1', port: 0, limits });
  const other = new WireClient(small.port);
  try {
    const bytes = new Uint8Array(602_112);
    const image = { name: 'x', datatype: 'FP32', shape: [1, 3, 224, 224] };
    await fails(
      other.infer({ model: 'big', inputs: [image], raw: [bytes] }),
      STATUS.RESOURCE_EXHAUSTED,
      'REQUEST_TOO_LARGE',
    );
    await fails(other.call(`${SERVICE}/ModelInfer`, new Uint8Array(2 ** 20 + 1)), STATUS.RESOURCE_EXHAUSTED);
    const many = { ...X, shape: [10_000, 3], contents: contents.fp32(new Array(30_000).fill(1)) };
    await fails(
      other.infer({ model: 'pair', inputs: [many, K] }),
      STATUS.RESOURCE_EXHAUSTED,
      'REQUEST_TOO_LARGE',
    );
    const inputs = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ ...X, name }));
    await fails(
      other.infer({ model: 'pair', inputs, raw: inputs.map(() => floats(1, 2, 3)) }),
      STATUS.RESOURCE_EXHAUSTED,
      'REQUEST_TOO_LARGE',
    );
    assert.equal(inferResponse((await other.infer(RAW)).message).version, '2');
  } finally {
    other.close();
    await small.cut();
  }
});

test('a large tensor passes both ways', async () => {
  const image = { name: 'x', datatype: 'FP32', shape: [1, 3, 224, 224] };
  const values = Float32Array.from({ length: 150_528 }, (_, i) => i);
  const answer = await client.infer({ model: 'big', inputs: [image], raw: [new Uint8Array(values.buffer)] });
  const [raw] = inferResponse(answer.message).raw;
  assert.deepEqual(new Uint8Array(raw!).slice(4, 8), floats(-1));
});

test('keys: refused before the message, limited, and told apart', async () => {
  const { key, record } = makeKey('ann', { concurrent: 1 });
  const closed = await startGrpc(plain.models, plain.observer, {
    host: '127.0.0.1',
    port: 0,
    keys: [record],
  });
  const other = new WireClient(closed.port);
  try {
    await fails(other.infer(RAW), STATUS.UNAUTHENTICATED, 'KEY_REFUSED');
    await fails(other.call(`${SERVICE}/ModelReady`, named('pair')), STATUS.UNAUTHENTICATED, 'KEY_REFUSED');
    await fails(
      other.infer(RAW, { headers: { 'x-api-key': 'wrong' } }),
      STATUS.UNAUTHENTICATED,
      'KEY_REFUSED',
    );
    // Probes need none.
    await other.call('/grpc.health.v1.Health/Check', NOTHING);
    await other.call(`${SERVICE}/ServerLive`, NOTHING);
    await other.infer(RAW, { headers: { 'x-api-key': key } });
    assert.equal(plain.served.pair.asks.at(-1)!.key, 'ann');
    assert.equal(plain.observer.happened.at(-1)!.key, 'ann');
    let open = () => {};
    plain.served.pair.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = other.infer(RAW, { headers: { authorization: `Bearer ${key}` } });
    await eventually(() => plain.served.pair.taken === 1, 'the first is waiting');
    await fails(
      other.infer(RAW, { headers: { 'x-api-key': key } }),
      STATUS.RESOURCE_EXHAUSTED,
      'KEY_LIMITED',
    );
    open();
    await first;
    plain.served.pair.gate = Promise.resolve();
    await other.infer(RAW, { headers: { 'x-api-key': key } });
  } finally {
    other.close();
    await closed.cut();
  }
});

test('a message that never comes is not waited for', async () => {
  const limits = { messageMs: 200 };
  const hasty = await startGrpc(plain.models, plain.observer, { host: '127.0.0.1', port: 0, limits });
  const other = new WireClient(hasty.port);
  try {
    // A streaming call to the unary method: its head goes out, its message does not.
    const same = (bytes: Buffer) => bytes;
    const status = await new Promise<number>((resolve) => {
      const call = other.client.makeClientStreamRequest(`${SERVICE}/ModelInfer`, same, same, (error) =>
        resolve((error as ServiceError).code),
      );
      call.on('error', () => {});
    });
    assert.equal(status, STATUS.DEADLINE_EXCEEDED);
  } finally {
    other.close();
    await hasty.cut();
  }
});

test('an address that cannot be had is a clear error', async () => {
  const same = { host: '127.0.0.1', port: server.port };
  await assert.rejects(startGrpc(plain.models, plain.observer, same), { code: 'SERVER_NOT_STARTED' });
  assert.ok(inferRequest(RAW).byteLength > 0);
});
