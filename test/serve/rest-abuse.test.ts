import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { ask, binary, eventually, jsonOf, post, Wire } from './raw-http.ts';
import { startRest } from './rest-server.ts';

/** What clients do by mistake, by bad luck and on purpose. */
let server: Awaited<ReturnType<typeof startRest>>;
before(async () => {
  const limits = {
    ...{ headerMs: 400, bodyMs: 600, headerBytes: 4096, bodyBytes: 2 ** 25, jsonBytes: 2 ** 23 },
    ...{ tensors: 8, dims: 6, pipelined: 4, connections: 30 },
  };
  server = await startRest({ limits, heldBytes: 2 ** 23 }, 'pair', 'big', 'text');
});
after(() => server.close());
beforeEach(() => {
  server.observer.happened.length = 0;
});

const PATH = '/v2/models/big/infer';
const BYTES = 602_112;
const IMAGE = {
  name: 'x',
  datatype: 'FP32',
  shape: [1, 3, 224, 224],
  parameters: { binary_data_size: BYTES },
};
const JSON_OF_IMAGE = JSON.stringify({ inputs: [IMAGE], parameters: { binary_data_output: true } });
const PAIR = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] },
    { name: 'k', datatype: 'INT64', shape: [1, 2], data: [4, 5] },
  ],
};

/** The head of a request for the large model, whose body is to follow. */
const head = (lines: readonly string[], path = PATH) =>
  [`POST ${path} HTTP/1.1`, 'host: x', ...lines, '', ''].join('\r\n');
const imageHead = (length = JSON_OF_IMAGE.length + BYTES) =>
  head([
    `content-length: ${length}`,
    `inference-header-content-length: ${JSON_OF_IMAGE.length}`,
    'content-type: application/octet-stream',
  ]);

/** All that any request has held is given back. */
async function nothingHeld(): Promise<void> {
  const { served, models } = server;
  await eventually(
    () => models.leases === 0 && Object.values(served).every(({ taken }) => taken === 0),
    `all is given back: ${models.leases} leases`,
  );
}

test('a head that does not end is answered with 408, and so is a body', async () => {
  const slow = new Wire(server.port);
  slow.send('POST /v2/models/pair/infer HTTP/1.1\r\nhost: x\r\n');
  assert.match(await slow.closed(), /^HTTP\/1\.1 408 .*REQUEST_TOO_SLOW/s);
  const body = new Wire(server.port);
  body.send(imageHead() + JSON_OF_IMAGE);
  await eventually(() => server.served.big.taken === 1, 'a place is taken');
  assert.match(await body.until(/REQUEST_TOO_SLOW"\}/), /^HTTP\/1\.1 408 /);
  await nothingHeld();
  assert.deepEqual(
    server.observer.happened.map(({ status, code }) => [status, code]),
    [[408, 'REQUEST_TOO_SLOW']],
  );
  body.socket.destroy();
});

test('an overloaded server refuses before the body has come', async () => {
  server.served.big.capacity = 0;
  try {
    const wire = new Wire(server.port);
    // Nothing but the JSON is sent of a body of 600 KB.
    wire.send(imageHead() + JSON_OF_IMAGE);
    const answer = await wire.until(/OVERLOADED"\}/);
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.match(answer, /retry-after: 2\r\n/i);
    assert.match(answer, /connection: close/i);
    // A client that sends all before it reads has its answer too.
    const large = binary(
      { inputs: [{ ...IMAGE, shape: [16, 3, 224, 224], parameters: { binary_data_size: 16 * BYTES } }] },
      new Uint8Array(16 * BYTES),
    );
    const all = await ask(server.port, PATH, large);
    assert.deepEqual([all.status, jsonOf(all).code], [503, 'OVERLOADED']);
    wire.socket.destroy();
  } finally {
    server.served.big.capacity = 1000;
  }
  await nothingHeld();
});

test('whoever waits for "100 Continue" is told to go on only where the body is wanted', async () => {
  const expecting = imageHead().replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n');
  const welcome = new Wire(server.port);
  welcome.send(expecting);
  await welcome.until(/^HTTP\/1\.1 100 Continue/);
  welcome.send(JSON_OF_IMAGE);
  welcome.send(new Uint8Array(BYTES));
  await welcome.until(/HTTP\/1\.1 200 /);
  welcome.socket.destroy();
  const unknown = new Wire(server.port);
  unknown.send(expecting.replace('/big/', '/none/'));
  assert.match(await unknown.closed(), /^HTTP\/1\.1 404 /);
});

test('what says that it is too large is refused at once, what does not say so as soon as it is', async () => {
  const wire = new Wire(server.port);
  wire.send(imageHead(2 ** 26));
  assert.match(await wire.until(/REQUEST_TOO_LARGE"\}/), /^HTTP\/1\.1 413 /);
  wire.socket.destroy();
  const chunked = await ask(server.port, '/v2/models/pair/infer', {
    headers: { 'transfer-encoding': 'chunked', 'content-type': 'application/json' },
    body: Buffer.alloc(2 ** 23 + 1, ' '),
  });
  assert.deepEqual([chunked.status, jsonOf(chunked).code], [413, 'REQUEST_TOO_LARGE']);
  const lying = {
    'inference-header-content-length': String(2 ** 24),
    'content-type': 'application/octet-stream',
  };
  const long = await ask(server.port, PATH, { headers: lying, body: Buffer.alloc(2 ** 24, ' ') });
  assert.deepEqual([long.status, jsonOf(long).code], [413, 'REQUEST_TOO_LARGE']);
  await nothingHeld();
});

test('lengths that do not agree are refused: shorter, longer, chunked too long, chunked too short', async () => {
  const asked = async (length: number, chunked = false) => {
    const { headers, body } = binary({ inputs: [IMAGE] }, new Uint8Array(length));
    const answer = await ask(server.port, PATH, {
      headers: { ...headers, ...(chunked && { 'transfer-encoding': 'chunked' }) },
      body,
    });
    return [answer.status, jsonOf(answer).code];
  };
  const before = server.served.big.asks.length;
  assert.deepEqual(await asked(BYTES - 1), [400, 'REQUEST_INVALID']);
  assert.deepEqual(await asked(BYTES + 1), [400, 'REQUEST_INVALID']);
  // Content-Length has told: no place was taken for them.
  assert.equal(server.served.big.asks.length, before);
  assert.deepEqual(await asked(BYTES - 1, true), [400, 'REQUEST_INVALID']);
  assert.deepEqual(await asked(BYTES + 1, true), [400, 'REQUEST_INVALID']);
  const sized = { ...IMAGE, parameters: { binary_data_size: 4 } };
  assert.equal((await ask(server.port, PATH, binary({ inputs: [sized] }, new Uint8Array(4)))).status, 400);
  await nothingHeld();
});

test('a client that leaves in the middle of its body, or while it waits, frees its place', async () => {
  const { big } = server.served;
  const half = new Wire(server.port);
  half.send(imageHead() + JSON_OF_IMAGE);
  half.send(new Uint8Array(BYTES / 2));
  await eventually(() => big.taken === 1, 'a place is taken');
  half.socket.destroy();
  await nothingHeld();
  let open = () => {};
  big.gate = new Promise((resolve) => {
    open = resolve;
  });
  const waiting = new Wire(server.port);
  waiting.send(imageHead() + JSON_OF_IMAGE);
  waiting.send(new Uint8Array(BYTES));
  const asks = big.asks.length;
  await eventually(() => big.taken === 1, 'it waits');
  await new Promise((resolve) => setTimeout(resolve, 50));
  waiting.socket.destroy();
  const { signal } = big.asks[asks - 1]!;
  await eventually(() => signal!.aborted, 'the model is told');
  open();
  big.gate = Promise.resolve();
  await nothingHeld();
  await eventually(() => server.observer.happened.length === 2, 'both are told');
  assert.deepEqual(
    server.observer.happened.map(({ status, code }) => [status, code]),
    [
      [499, 'CANCELLED'],
      [499, 'CANCELLED'],
    ],
  );
});

test('requests of one connection are answered in their order, and only so many wait', async () => {
  const wire = new Wire(server.port);
  const body = (id: number) => JSON.stringify({ id: String(id), ...PAIR });
  const one = (id: number) =>
    head([`content-length: ${body(id).length}`, 'content-type: application/json'], '/v2/models/pair/infer') +
    body(id);
  wire.send([0, 1, 2].map(one).join(''));
  const answers = await wire.until(/"id":"2"/);
  assert.deepEqual(
    [...answers.matchAll(/"id":"(\d)"/g)].map(([, id]) => id),
    ['0', '1', '2'],
  );
  wire.socket.destroy();
  let open = () => {};
  server.served.pair.gate = new Promise((resolve) => {
    open = resolve;
  });
  const greedy = new Wire(server.port);
  greedy.send(Array.from({ length: 12 }, (_, id) => one(id)).join(''));
  await eventually(() => server.served.pair.taken === 4, 'four are let in');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.served.pair.taken, 4);
  open();
  server.served.pair.gate = Promise.resolve();
  await greedy.until(/OVERLOADED/);
  greedy.socket.destroy();
  await nothingHeld();
});

test('JSON that nests without end, names too much, or is no UTF-8 costs nothing', async () => {
  const infer = async (text: string | Uint8Array) => {
    const answer = await ask(server.port, '/v2/models/pair/infer', {
      body: text,
      headers: { 'content-type': 'application/json' },
    });
    return [answer.status, jsonOf(answer).code];
  };
  const INVALID = [400, 'REQUEST_INVALID'];
  const LARGE = [413, 'REQUEST_TOO_LARGE'];
  const around = (data: string) => JSON.stringify(PAIR).replace('[1,2,3]', data);
  assert.deepEqual(await infer('['.repeat(60_000)), INVALID);
  assert.deepEqual(await infer('['.repeat(4_000_000)), INVALID);
  assert.deepEqual(await infer('{"a":'.repeat(1_000_000)), INVALID);
  assert.deepEqual(await infer(around('['.repeat(10_000) + ']'.repeat(10_000))), INVALID);
  assert.deepEqual(await infer(around('['.repeat(40) + ']'.repeat(40))), INVALID);
  assert.deepEqual(await infer(around('[1,2,1e999]')), INVALID);
  assert.deepEqual(await infer(around('[1,2,NaN]')), INVALID);
  assert.deepEqual(await infer(around('[1,2,null]')), INVALID);
  assert.deepEqual(await infer(around(`[${'0,'.repeat(2_000_000)}0]`)), INVALID);
  assert.deepEqual(await infer('"'.repeat(100_000)), INVALID);
  assert.deepEqual(await infer('{"__proto__":{"inputs":[]}}'), INVALID);
  assert.deepEqual(await infer(Uint8Array.of(0xff, 0xfe, 0)), INVALID);
  const many = { inputs: Array.from({ length: 9 }, (_, i) => ({ ...PAIR.inputs[0], name: `x${i}` })) };
  assert.deepEqual(await infer(JSON.stringify(many)), LARGE);
  const wide = { inputs: [{ ...PAIR.inputs[0], shape: [1, 1, 1, 1, 1, 1, 3] }] };
  assert.deepEqual(await infer(JSON.stringify(wide)), LARGE);
  const huge = { inputs: [{ ...PAIR.inputs[0], shape: [2 ** 40, 3] }] };
  assert.deepEqual(await infer(JSON.stringify(huge)), INVALID);
  const strings = { name: 's', datatype: 'BYTES', shape: [2 ** 28], parameters: { binary_data_size: 8 } };
  assert.equal(
    (await ask(server.port, '/v2/models/text/infer', binary({ inputs: [strings] }, new Uint8Array(8))))
      .status,
    400,
  );
  assert.equal((await post(server.port, '/v2/models/pair/infer', PAIR)).status, 200);
  await nothingHeld();
});

test('what is held whole is bounded over all requests together', async () => {
  const body = (bytes: number) =>
    head([`content-length: ${bytes}`, 'content-type: application/json'], '/v2/models/pair/infer');
  const first = new Wire(server.port);
  const second = new Wire(server.port);
  first.send(body(6_000_000));
  first.send(Buffer.alloc(5_900_000, ' '));
  await new Promise((resolve) => setTimeout(resolve, 100));
  second.send(body(6_000_000));
  second.send(Buffer.alloc(5_900_000, ' '));
  assert.match(await second.until(/OVERLOADED"\}/), /^HTTP\/1\.1 503 /);
  first.socket.destroy();
  second.socket.destroy();
  await nothingHeld();
});

test('after a refusal of a small request the connection goes on', async () => {
  const wire = new Wire(server.port);
  const one = (text: string) =>
    head([`content-length: ${text.length}`, 'content-type: application/json'], '/v2/models/pair/infer') +
    text;
  wire.send(one('nonsense'));
  await wire.until(/^HTTP\/1\.1 400 .*REQUEST_INVALID"\}/s);
  wire.send(one(JSON.stringify(PAIR)));
  await wire.until(/HTTP\/1\.1 200 /);
  wire.socket.destroy();
});

test('what is no HTTP, heads that are too long, two lengths at once: refused and closed', async () => {
  const said = async (text: string) => {
    const wire = new Wire(server.port);
    wire.send(text);
    return (await wire.closed()).split('\r\n')[0];
  };
  assert.equal(await said('\x16\x03\x01\x02\x00\x01'), 'HTTP/1.1 400 Bad Request');
  assert.equal(await said('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP/1.1 400 Bad Request');
  assert.equal(
    await said(`GET /v2 HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(5000)}\r\n\r\n`),
    'HTTP/1.1 431 Request Header Fields Too Large',
  );
  assert.equal(
    await said(head(['content-length: 5', 'transfer-encoding: chunked'])),
    'HTTP/1.1 400 Bad Request',
  );
  assert.equal(await said(head(['content-length: 5', 'content-length: 6'])), 'HTTP/1.1 400 Bad Request');
  assert.equal(await said(head(['content-length: -5'])), 'HTTP/1.1 400 Bad Request');
  assert.equal(
    await said(`${head(['transfer-encoding: chunked', 'content-type: application/json'])}zz\r\n`),
    'HTTP/1.1 400 Bad Request',
  );
});

test('connections beyond those allowed are not taken, and those that are go on', async () => {
  const many = Array.from({ length: 40 }, () => new Wire(server.port));
  await eventually(() => many.filter(({ socket }) => socket.closed).length >= 10, 'ten are not taken');
  for (const { socket } of many) socket.destroy();
  await eventually(() => many.every(({ socket }) => socket.closed), 'all are gone');
  let status = 0;
  for (let i = 0; i < 50 && status !== 200; i++)
    status = await ask(server.port, '/livez').then(
      (a) => a.status,
      () => 0,
    );
  assert.equal(status, 200);
});
