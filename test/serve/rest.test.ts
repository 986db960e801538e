import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, binary, jsonOf, post } from './raw-http.ts';
import { startRest } from './rest-server.ts';

interface StatisticsSeen {
  name: string;
  version: string;
  inference_count: number;
  execution_count: number;
  inference_stats: Record<string, { count: number; ns: number }>;
  batch_stats: { batch_size: number }[];
}

/** Every endpoint, by a client that knows nothing but what the specification and Triton's documents say. */
let server: Awaited<ReturnType<typeof startRest>>;
before(async () => {
  server = await startRest({}, 'pair', 'row', 'text', 'flags', 'lookup');
});
after(() => server.close());

const get = async (path: string) => ask(server.port, path);
const infer = (model: string, json: unknown, headers = {}) =>
  post(server.port, `/v2/models/${model}/infer`, json, headers);
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const longs = (...values: number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const X = { name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] };
const K = { name: 'k', datatype: 'INT64', shape: [1, 2], data: [4, 5] };

test('health, metadata and readiness, of the server and of models', async () => {
  for (const path of ['/v2/health/live', '/v2/health/ready', '/livez', '/readyz', '/startupz']) {
    const answer = await get(path);
    assert.deepEqual([answer.status, jsonOf(answer)], [200, { live: true }], path);
  }
  const { name, version, extensions } = jsonOf(await get('/v2')) as Record<string, unknown>;
  assert.equal(typeof name, 'string');
  assert.equal(typeof version, 'string');
  assert.ok((extensions as string[]).includes('binary_tensor_data'));
  const tensors = (x: string, k: string) => [
    { name: x, datatype: 'FP32', shape: [-1, 3] },
    { name: k, datatype: 'INT64', shape: [-1, 2] },
  ];
  for (const path of ['/v2/models/pair', '/v2/models/pair/versions/1']) {
    assert.deepEqual(jsonOf(await get(path)), {
      name: 'pair',
      versions: ['1', '2'],
      platform: 'onnx_onnxv1',
      inputs: tensors('x', 'k'),
      outputs: tensors('y', 'j'),
    });
    assert.deepEqual(jsonOf(await get(`${path}/ready`)), { name: 'pair', ready: true });
  }
  const { models } = jsonOf(await get('/v2/models')) as { models: { name: string }[] };
  assert.deepEqual(
    models.map((one) => one.name),
    ['flags', 'lookup', 'pair', 'row', 'text'],
  );
});

test('what is not ready says so, and is found ready again', async () => {
  const { served, models } = server;
  served.row.ready = false;
  try {
    for (const path of ['/v2/health/ready', '/readyz', '/v2/models/row/ready', '/v2/models/row']) {
      assert.equal((await get(path)).status, 503, path);
    }
    assert.equal((await get('/v2/models/pair/ready')).status, 200);
    // Once started, always started; and alive in any case.
    for (const path of ['/startupz', '/livez', '/v2/health/live'])
      assert.equal((await get(path)).status, 200, path);
    const refused = await infer('row', { inputs: [{ ...X, shape: [1, 3] }] });
    assert.deepEqual([refused.status, jsonOf(refused).code], [503, 'MODEL_NOT_READY']);
    assert.ok(Number(refused.headers['retry-after']) >= 1);
  } finally {
    served.row.ready = true;
  }
  assert.equal((await get('/readyz')).status, 200);
  assert.equal(models.leases, 0);
});

test('infers by JSON: id, version, chosen outputs, nested data, cost in the headers', async () => {
  const flat = await infer('pair', { id: 'abc', inputs: [X, K] });
  assert.equal(flat.status, 200);
  assert.match(flat.headers['content-type']!, /^application\/json/);
  assert.ok(Number(flat.headers['x-modicum-compute-ms']) >= 0);
  assert.deepEqual(jsonOf(flat), {
    model_name: 'pair',
    model_version: '2',
    id: 'abc',
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [1, 3], data: [2, 4, 6] },
      { name: 'j', datatype: 'INT64', shape: [1, 2], data: [-4, -5] },
    ],
  });
  const nested = {
    ...X,
    shape: [2, 3],
    data: [
      [1, 2, 3],
      [4, 5, 6],
    ],
  };
  const chosen = await post(server.port, '/v2/models/pair/versions/1/infer', {
    inputs: [{ ...K, shape: [2, 2], data: [1, 2, 3, '9007199254740993'] }, nested],
    outputs: [{ name: 'j' }],
  });
  const { model_version, outputs, id } = jsonOf(chosen) as {
    model_version: string;
    outputs: { data: unknown }[];
    id?: string;
  };
  assert.deepEqual([model_version, id, outputs.length], ['1', undefined, 1]);
  // All digits of a 64-bit integer come back.
  assert.match(chosen.body.toString(), /\[-1,-2,-3,-9007199254740993\]/);
});

test('infers by binary tensors, mixed with JSON, in the order of the inputs', async () => {
  const [x, k] = [floats(1, 2, 3), longs(4, 5)];
  const sized = (tensor: typeof X | typeof K, bytes: number) => {
    const { data, ...rest } = tensor;
    return { ...rest, parameters: { binary_data_size: bytes } };
  };
  const both = binary(
    {
      id: 'b',
      inputs: [sized(K, 16), sized(X, 12)],
      outputs: [{ name: 'j', parameters: { binary_data: true } }, { name: 'y' }],
    },
    ...[k, x],
  );
  const answer = await ask(server.port, '/v2/models/pair/infer', both);
  assert.equal(answer.status, 200, answer.body.toString());
  const length = Number(answer.headers['inference-header-content-length']);
  assert.equal(length % 8, 0);
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  const head = JSON.parse(answer.body.subarray(0, length).toString());
  assert.deepEqual(head.outputs, [
    { name: 'j', datatype: 'INT64', shape: [1, 2], parameters: { binary_data_size: 16 } },
    { name: 'y', datatype: 'FP32', shape: [1, 3], data: [2, 4, 6] },
  ]);
  assert.deepEqual(answer.body.subarray(length), Buffer.from(longs(-4, -5)));
  const mixed = binary(
    {
      inputs: [X, sized(K, 16)],
      parameters: { binary_data_output: true },
      outputs: [{ name: 'y' }, { name: 'j', parameters: { binary_data: false } }],
    },
    k,
  );
  const second = await ask(server.port, '/v2/models/pair/infer', mixed);
  const at = Number(second.headers['inference-header-content-length']);
  assert.deepEqual(second.body.subarray(at), Buffer.from(floats(2, 4, 6)));
  assert.deepEqual(JSON.parse(second.body.subarray(0, at).toString()).outputs[1].data, [-4, -5]);
});

test('takes a raw binary request: no JSON, one input, the open dimension from the length', async () => {
  const headers = { 'inference-header-content-length': '0', 'content-type': 'application/octet-stream' };
  const answer = await ask(server.port, '/v2/models/row/infer', { headers, body: floats(1, 2, 3, 4, 5) });
  assert.equal(answer.status, 200, answer.body.toString());
  const length = Number(answer.headers['inference-header-content-length']);
  assert.deepEqual(JSON.parse(answer.body.subarray(0, length).toString()).outputs[0].shape, [1, 5]);
  assert.deepEqual(answer.body.subarray(length), Buffer.from(floats(-1, -2, -3, -4, -5)));
  const text = await ask(server.port, '/v2/models/text/infer', { headers, body: 'grüß dich' });
  const at = Number(text.headers['inference-header-content-length']);
  assert.equal(text.body.subarray(at + 4).toString(), 'grüß dich');
  const refused = async (model: string, body: Uint8Array) =>
    (await ask(server.port, `/v2/models/${model}/infer`, { headers, body })).status;
  assert.equal(await refused('row', new Uint8Array(7)), 400);
  assert.equal(await refused('pair', floats(1, 2, 3)), 400);
  const chunked = { headers: { ...headers, 'transfer-encoding': 'chunked' }, body: floats(1) };
  assert.equal((await ask(server.port, '/v2/models/row/infer', chunked)).status, 411);
});

test('carries every dtype of the protocol that the runtime knows, and strings', async () => {
  const tensor = (name: string, datatype: string, data: unknown[]) => ({ name, datatype, shape: [2], data });
  const half = { name: 'h', datatype: 'FP16', shape: [2], parameters: { binary_data_size: 4 } };
  const halves = new Uint8Array(Uint16Array.of(0x3c00, 0xc000).buffer);
  const inputs = [
    tensor('b', 'BOOL', [true, false]),
    tensor('u', 'UINT8', [0, 255]),
    tensor('i', 'INT8', [-128, 127]),
    half,
    tensor('d', 'FP64', ['NaN', 1e300]),
  ];
  const outputs = ['nb', 'nu', 'ni', 'nd'].map((name) => ({ name }));
  const asked = binary(
    { inputs, outputs: [...outputs, { name: 'nh', parameters: { binary_data: true } }] },
    halves,
  );
  const answer = await ask(server.port, '/v2/models/flags/infer', asked);
  assert.equal(answer.status, 200, answer.body.toString());
  const length = Number(answer.headers['inference-header-content-length']);
  const head = JSON.parse(answer.body.subarray(0, length).toString());
  assert.deepEqual(
    head.outputs.slice(0, 4).map(({ data }: { data: unknown }) => data),
    [
      [false, true],
      [0, 255],
      [-128, 127],
      ['NaN', 1e300],
    ],
  );
  assert.deepEqual(answer.body.subarray(length), Buffer.from(halves));
  // FP16 has no form in JSON: refused before anything is computed.
  const before = server.served.flags.asks.length;
  const refused = await ask(server.port, '/v2/models/flags/infer', binary({ inputs }, halves));
  assert.deepEqual([refused.status, server.served.flags.asks.length], [400, before]);
  const strings = await infer('text', {
    inputs: [{ name: 's', datatype: 'BYTES', shape: [2], data: ['a', '😀'] }],
  });
  assert.deepEqual((jsonOf(strings) as { outputs: { data: unknown }[] }).outputs[0]!.data, ['a', '😀']);
  const raw = Buffer.concat([Uint8Array.of(1, 0, 0, 0), Buffer.from('a'), Uint8Array.of(0, 0, 0, 0)]);
  const bytes = {
    name: 's',
    datatype: 'BYTES',
    shape: [2],
    parameters: { binary_data_size: raw.byteLength },
  };
  const back = await ask(
    server.port,
    '/v2/models/text/infer',
    binary({ inputs: [bytes], parameters: { binary_data_output: true } }, raw),
  );
  const at = Number(back.headers['inference-header-content-length']);
  assert.deepEqual(back.body.subarray(at), raw);
});

test('passes on deadlines, priorities, sequences and traces', async () => {
  const { pair } = server.served;
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const now = performance.now();
  await infer(
    'pair',
    {
      inputs: [X, K],
      parameters: { timeout: 2_000_000, priority: 1, sequence_id: 42, sequence_start: true },
    },
    { traceparent: trace },
  );
  const asked = pair.asks.length === 0 ? undefined : server.served.pair.asks.at(-1);
  assert.ok(asked!.deadline! > now + 1900 && asked!.deadline! < now + 12_000);
  assert.deepEqual(
    [asked!.priority, asked!.sequence, asked!.traceparent],
    [1, { id: '42', start: true, end: false }, trace],
  );
  await infer('pair', { inputs: [X, K], parameters: { timeout: 9e9 } }, { 'x-modicum-deadline-ms': '500' });
  assert.ok(pair.asks.at(-1)!.deadline! < performance.now() + 500);
  const missed = await infer('pair', { inputs: [X, K], parameters: { timeout: 1 } });
  assert.deepEqual([missed.status, jsonOf(missed).code], [504, 'DEADLINE_MISSED']);
  const wrong = await infer('pair', { inputs: [X, K] }, { 'x-modicum-deadline-ms': 'soon' });
  assert.deepEqual([wrong.status, jsonOf(wrong).code], [400, 'REQUEST_INVALID']);
});

test('repository and statistics as Triton tells them', async () => {
  const index = await post(server.port, '/v2/repository/index', {});
  const { length } = JSON.parse(index.body.toString());
  assert.equal(length, 6);
  server.served.row.ready = false;
  const ready = JSON.parse(
    (await post(server.port, '/v2/repository/index', { ready: true })).body.toString(),
  );
  server.served.row.ready = true;
  assert.equal(ready.length, 5);
  assert.deepEqual(ready[0], { name: 'pair', version: '1', state: 'READY', reason: '' });
  assert.equal((await ask(server.port, '/v2/repository/index', { method: 'POST' })).status, 200);
  await infer('lookup', { inputs: [{ name: 'i', datatype: 'INT64', shape: [3], data: [0, 1, 2] }] });
  await infer('lookup', { inputs: [{ name: 'i', datatype: 'INT64', shape: [1], data: [7] }] });
  const { model_stats } = jsonOf(await get('/v2/models/lookup/versions/1/stats')) as {
    model_stats: StatisticsSeen[];
  };
  const [one] = model_stats;
  assert.deepEqual(
    [one!.name, one!.version, one!.inference_count, one!.execution_count],
    ['lookup', '1', 3, 1],
  );
  assert.equal(one!.inference_stats.success!.count, 1);
  assert.equal(one!.inference_stats.fail!.count, 1);
  assert.ok(one!.inference_stats.compute_infer!.ns > 0);
  assert.deepEqual(
    one!.batch_stats.map((size) => size.batch_size),
    [3],
  );
  const all = jsonOf(await get('/v2/models/stats')) as { model_stats: unknown[] };
  assert.equal(all.model_stats.length, 6);
});

test('every refusal has its status, a message, a code, and no stack', async () => {
  const cases: readonly (readonly [
    status: number,
    code: string,
    answer: Promise<Awaited<ReturnType<typeof ask>>>,
  ])[] = [
    [404, 'MODEL_UNKNOWN', get('/v2/models/none')],
    [404, 'MODEL_UNKNOWN', get('/v2/models/pair/versions/9')],
    [404, 'MODEL_UNKNOWN', get('/v2/models/none/ready')],
    [404, 'MODEL_UNKNOWN', get('/v2/models/none/stats')],
    [404, 'MODEL_UNKNOWN', infer('none', { inputs: [X] })],
    [404, 'MODEL_UNKNOWN', infer('..%2F..%2Fetc%2Fpasswd', { inputs: [X] })],
    [404, 'REQUEST_INVALID', get('/v3')],
    [404, 'REQUEST_INVALID', ask(server.port, '/v2/models/pair/infer', { method: 'PUT', body: '{}' })],
    [400, 'REQUEST_INVALID', get('/v2/models/%E0%A4%A')],
    [400, 'REQUEST_INVALID', infer('pair', '{"inputs":')],
    [400, 'REQUEST_INVALID', infer('pair', '')],
    [400, 'REQUEST_INVALID', infer('pair', 'null')],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [{ ...X, datatype: 'FP8' }, K] })],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [{ ...X, data: [1, 2] }, K] })],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [{ ...X, data: [1, 2, 'x'] }, K] })],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [{ ...X, shape: [-1, 3] }, K] })],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [{ ...X, shape: [1e15, 1e15] }, K] })],
    [400, 'REQUEST_INVALID', infer('pair', { inputs: [X, X, K] })],
    [400, 'FEED_MISMATCH', infer('pair', { inputs: [X] })],
    [400, 'FEED_MISMATCH', infer('pair', { inputs: [{ ...X, datatype: 'FP64' }, K] })],
    [400, 'FEED_MISMATCH', infer('pair', { inputs: [X, K, { ...X, name: '__proto__' }] })],
    [400, 'FEED_MISMATCH', infer('pair', { inputs: [{ ...X, shape: [3, 1] }, K] })],
    [400, 'FEED_MISMATCH', infer('pair', { inputs: [X, K], outputs: [{ name: 'z' }] })],
    [
      415,
      'REQUEST_INVALID',
      ask(server.port, '/v2/models/pair/infer', { body: 'x', headers: { 'content-type': 'text/plain' } }),
    ],
    [415, 'REQUEST_INVALID', infer('pair', '{}', { 'content-encoding': 'gzip' })],
    [
      400,
      'REQUEST_INVALID',
      ask(server.port, '/v2/models/pair/infer', {
        body: 'x',
        headers: { 'content-type': 'application/octet-stream' },
      }),
    ],
    [400, 'REQUEST_INVALID', infer('pair', '{}', { 'inference-header-content-length': 'x' })],
    [400, 'REQUEST_INVALID', infer('pair', '{}', { 'inference-header-content-length': '3' })],
    [
      500,
      'RUNTIME_FAILED',
      infer('lookup', { inputs: [{ name: 'i', datatype: 'INT64', shape: [1], data: [7] }] }),
    ],
    [403, 'REQUEST_INVALID', post(server.port, '/v2/repository/models/pair/unload', {})],
    [403, 'REQUEST_INVALID', post(server.port, '/v2/repository/models/pair/load', {})],
    [400, 'REQUEST_INVALID', post(server.port, '/v2/repository/index', '[')],
  ];
  for (const [i, [status, code, answer]] of cases.entries()) {
    const { error, code: found } = jsonOf(await answer);
    assert.deepEqual([(await answer).status, found], [status, code], `case ${i}: ${error}`);
    assert.equal(typeof error, 'string');
    assert.doesNotMatch(error!, /\n| {4}at |\.js|\.ts|\/work|\/home|node_modules/, `case ${i}`);
  }
  assert.equal(server.models.leases, 0);
  assert.ok(Object.values(server.served).every(({ taken }) => taken === 0));
});

test('refusals of inference are told to the observer, with what they are', async () => {
  const { happened } = server.observer;
  const count = happened.length;
  await infer('none', { id: 'q', inputs: [X] });
  await infer('pair', { id: 'r', inputs: [X] });
  await ask(server.port, '/v2/models/pair/infer', { body: 'x', headers: { 'content-type': 'text/plain' } });
  const seen = happened
    .slice(count)
    .map(({ model, version, status, code, id, bytesOut }) => [
      model,
      version,
      status,
      code,
      id,
      bytesOut > 20,
    ]);
  assert.deepEqual(seen, [
    ['none', '', 404, 'MODEL_UNKNOWN', undefined, true],
    ['pair', '2', 400, 'FEED_MISMATCH', 'r', true],
    ['pair', '2', 415, 'REQUEST_INVALID', undefined, true],
  ]);
});

test('an app answers without a port too', async () => {
  const answer = await server.app.inject({
    method: 'POST',
    url: '/v2/models/pair/infer',
    payload: { inputs: [X, K] },
  });
  assert.deepEqual(answer.json().outputs[0].data, [2, 4, 6]);
  assert.equal((await server.app.inject('/v2/models/pair')).json().name, 'pair');
});
