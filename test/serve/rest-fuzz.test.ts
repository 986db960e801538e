import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { ask, binary, eventually, post, type RawAnswer, Wire } from './raw-http.ts';
import { startRest } from './rest-server.ts';

/** Requests that are nearly right: mutated by seeds, so that what fails can be repeated. FUZZ=n takes n times as many. */
const TIMES = Number(process.env.FUZZ ?? 1);

let server: Awaited<ReturnType<typeof startRest>>;
before(async () => {
  const limits = { headerMs: 300, bodyMs: 400 };
  server = await startRest({ limits }, 'pair', 'row', 'text', 'flags');
});
after(() => server.close());

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const longs = (...values: number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const X = { name: 'x', datatype: 'FP32', shape: [1, 3] };
const K = { name: 'k', datatype: 'INT64', shape: [1, 2] };
const sized = (tensor: object, bytes: number) => ({ ...tensor, parameters: { binary_data_size: bytes } });

const ODD: readonly unknown[] = [
  ...[
    null,
    true,
    -1,
    0,
    1,
    0.5,
    1e308,
    -1e308,
    2 ** 53,
    2 ** 31,
    1e-320,
    '',
    'x',
    'NaN',
    '__proto__',
    '\u0000',
  ],
  ...[
    [],
    {},
    [[]],
    [1, 2, 3],
    [[1, 2, 3]],
    [[1], [2, 3]],
    { name: 'x' },
    ['a'],
    [null],
    [[[[[[1]]]]]],
    'é'.repeat(1000),
  ],
  ...[
    { toString: 1 },
    { length: 3 },
    { constructor: null },
    'FP16',
    'BYTES',
    'BOOL',
    'UINT64',
    '18446744073709551616',
  ],
];

const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!;

/** The same JSON with one value, somewhere, replaced, removed or doubled. */
function mutate(random: Random, value: unknown, depth = 0): unknown {
  const inner = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (inner.length === 0 || (depth > 0 && random.below(4) === 0)) return pick(random, ODD);
  const key = pick(random, inner);
  const next = mutate(random, (value as Record<string, unknown>)[key], depth + 1);
  if (Array.isArray(value)) {
    const copy = [...value];
    const way = random.below(6);
    if (way === 0) copy.splice(Number(key), 1);
    else if (way === 1) copy.push(copy[Number(key)]);
    else copy[Number(key)] = next;
    return copy;
  }
  const copy: Record<string, unknown> = { ...(value as Record<string, unknown>) };
  const way = random.below(8);
  if (way === 0) delete copy[key];
  else if (way === 1) copy[`${key}s`] = copy[key];
  else copy[key] = next;
  return copy;
}

const FINE: ReadonlySet<number> = new Set([200, 400, 404, 411, 413, 415, 500]);

function check({ status, body }: RawAnswer, what: string): void {
  assert.ok(FINE.has(status), `${what}: ${status}`);
  if (status === 200) return;
  const { error, code } = JSON.parse(body.toString()) as { error: string; code: string };
  assert.equal(typeof error, 'string', what);
  // Nothing that a client sends is the fault of the server; a value that the runtime refuses is its own kind.
  assert.notEqual(code, 'INTERNAL', `${what}: ${error}`);
  assert.ok(status !== 500 || code === 'RUNTIME_FAILED', `${what}: ${code}`);
  assert.doesNotMatch(error, /\n|\.js:|\.ts:|\/work|TypeError|RangeError/, what);
}

async function nothingHeld(): Promise<void> {
  await eventually(
    () => server.models.leases === 0 && Object.values(server.served).every(({ taken }) => taken === 0),
    'all is given back',
  );
}

test('JSON requests with a value that is odd', async () => {
  const random = new Random(1);
  const bases = [
    [
      'pair',
      {
        id: 'a',
        parameters: { priority: 1 },
        inputs: [
          { ...X, data: [1, 2, 3] },
          { ...K, data: [[4, 5]] },
        ],
        outputs: [{ name: 'y' }],
      },
    ],
    ['text', { inputs: [{ name: 's', datatype: 'BYTES', shape: [2], data: ['a', 'b'] }] }],
  ] as const;
  for (let i = 0; i < 300 * TIMES; i++) {
    const [model, base] = pick(random, bases);
    const json = mutate(random, base);
    check(
      await post(server.port, `/v2/models/${model}/infer`, json),
      `seed 1, case ${i}: ${JSON.stringify(json)}`,
    );
  }
  await nothingHeld();
});

test('binary requests with a wrong JSON, wrong lengths, bytes lost or flipped', async () => {
  const random = new Random(2);
  const bases = [
    [
      'pair',
      { inputs: [sized(X, 12), sized(K, 16)], parameters: { binary_data_output: true } },
      [floats(1, 2, 3), longs(1, 2)],
    ],
    [
      'text',
      { inputs: [sized({ name: 's', datatype: 'BYTES', shape: [1] }, 6)] },
      [Uint8Array.of(2, 0, 0, 0, 65, 66)],
    ],
    [
      'flags',
      {
        inputs: [
          { name: 'b', datatype: 'BOOL', shape: [1], parameters: { binary_data_size: 1 } },
          { name: 'u', datatype: 'UINT8', shape: [1], data: [1] },
          { name: 'i', datatype: 'INT8', shape: [1], data: [-1] },
          { name: 'h', datatype: 'FP16', shape: [1], parameters: { binary_data_size: 2 } },
          { name: 'd', datatype: 'FP64', shape: [1], data: [1.5] },
        ],
        parameters: { binary_data_output: true },
      },
      [Uint8Array.of(1), Uint8Array.of(0, 60)],
    ],
  ] as const;
  for (let i = 0; i < 300 * TIMES; i++) {
    const [model, json, tensors] = pick(random, bases);
    const { headers, body } = binary(random.below(2) === 0 ? mutate(random, json) : json, ...tensors);
    let bytes: Buffer = body;
    const way = random.below(5);
    if (way === 0) bytes = body.subarray(0, random.below(body.byteLength));
    if (way === 1) bytes = Buffer.concat([body, body.subarray(0, random.below(20))]);
    if (way === 2) bytes[random.below(bytes.byteLength)]! ^= 1 << random.below(8);
    if (way === 3)
      headers['inference-header-content-length'] = String(
        pick(random, [0, 1, 7, body.byteLength, 1e9, -1, 0.5, '', '0x10', '9'.repeat(30)]),
      );
    if (random.below(3) === 0) headers['transfer-encoding'] = 'chunked';
    const what = `seed 2, case ${i}: ${JSON.stringify(headers)} ${bytes.toString('latin1')}`;
    check(await ask(server.port, `/v2/models/${model}/infer`, { headers, body: bytes }), what);
  }
  await nothingHeld();
});

test('bytes on the wire that are cut, doubled, flipped or spread over time', async () => {
  const random = new Random(3);
  const json = JSON.stringify({ inputs: [sized(X, 12), sized(K, 16)] });
  const body = Buffer.concat([Buffer.from(json), floats(1, 2, 3), longs(1, 2)]);
  const text = [
    'POST /v2/models/pair/infer HTTP/1.1',
    'host: x',
    `content-length: ${body.byteLength}`,
    `inference-header-content-length: ${json.length}`,
    'content-type: application/octet-stream',
  ];
  const whole = Buffer.concat([Buffer.from(`${text.join('\r\n')}\r\n\r\n`), body]);
  const one = async (i: number) => {
    let bytes: Buffer = Buffer.from(whole);
    for (let times = random.below(3); times >= 0; times--) {
      const [from, to] = [random.below(bytes.byteLength), random.below(bytes.byteLength)];
      const way = random.below(4);
      if (way === 0) bytes[from]! ^= 1 << random.below(8);
      if (way === 1) bytes = bytes.subarray(0, Math.max(1, from));
      if (way === 2) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(Math.min(from, to))]);
      if (way === 3) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(Math.max(from, to))]);
    }
    const wire = new Wire(server.port);
    const cut = random.below(bytes.byteLength);
    wire.send(bytes.subarray(0, cut));
    if (random.below(2) === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    wire.send(bytes.subarray(cut));
    const leaves = random.below(4) === 0;
    if (leaves) wire.socket.destroy();
    // An answer, or the end of patience: never a connection that hangs.
    const answer = leaves
      ? ''
      : await Promise.race([wire.until(/^HTTP\/1\.1 \d+/), wire.closed()]).catch(() => '');
    const [, status = '0'] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
    wire.socket.destroy();
    assert.ok(
      leaves || [200, 400, 404, 408, 411, 413, 415, 417, 431, 500, 505].includes(Number(status)),
      `seed 3, case ${i}: ${answer.slice(0, 200)}\n${bytes.toString('latin1')}`,
    );
    assert.doesNotMatch(answer, /INTERNAL/, `seed 3, case ${i}`);
  };
  for (let i = 0; i < 120 * TIMES; i += 40)
    await Promise.all(Array.from({ length: 40 }, (_, j) => one(i + j)));
  await nothingHeld();
  assert.equal((await ask(server.port, '/livez')).status, 200);
});
