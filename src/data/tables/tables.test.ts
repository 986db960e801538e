import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type Batch, type DataOptions, openDataset } from '../index.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-tables-'));
});
after(() => rm(folder, { recursive: true }));

async function write(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function first(path: string, options?: DataOptions, indices?: number[]): Promise<Batch> {
  for await (const batch of (await openDataset(path, options)).read({ indices })) return batch;
  throw new Error('no batch');
}

test('JSON Lines: keys are fields, nested lists their shapes, empty lines nothing', async () => {
  const path = await write(
    'a.jsonl',
    '{"x": [[1, 2, 3], [4, 5, 6]], "id": 7, "label": "yes"}\n\n{"x": [[0, 0, 0], [0, 0, 1.5]], "id": 8, "label": "no"}\r\n',
  );
  const dataset = await openDataset(path, { preprocess: { cast: { id: 'int64' } } });
  assert.equal(dataset.size, 2);
  assert.deepEqual(dataset.fields, [
    { name: 'x', dtype: 'float32', dims: [2, 3] },
    { name: 'id', dtype: 'int64', dims: [] },
  ]);
  assert.deepEqual(dataset.labels, { dtype: 'int32', dims: [], classes: ['no', 'yes'] });
  const batch = await first(path, {}, [1]);
  assert.deepEqual(batch.feeds.x?.numbers(), [0, 0, 0, 0, 0, 1.5]);
  assert.deepEqual(batch.labels?.numbers(), [0]);
});

test('JSON Lines: whole numbers are class numbers, others values', async () => {
  const whole = await write('whole.jsonl', '{"x": 1, "label": 3}\n{"x": 2, "label": 12}');
  assert.deepEqual((await first(whole)).labels?.dtype, 'int64');
  const values = await write('values.jsonl', '{"x": 1, "y": 0.5}\n{"x": 2, "y": 2}');
  const batch = await first(values, { labels: { column: 'y' } });
  assert.deepEqual([batch.labels?.dtype, batch.labels?.numbers()], ['float32', [0.5, 2]]);
  assert.deepEqual(Object.keys(batch.feeds), ['x']);
});

test('JSON Lines: a damaged line is named', async () => {
  for (const [line, code] of [
    ['{"x": [1, 2', 'DATA_DAMAGED'],
    ['[1, 2]', 'DATA_DAMAGED'],
    ['{"x": [1, "two"]}', 'DATA_DAMAGED'],
    ['{"x": [1, null]}', 'DATA_DAMAGED'],
    ['{"y": [1, 2]}', 'DATA_SHAPE_MISMATCH'],
    ['{"x": [1, 2, 3]}', 'DATA_SHAPE_MISMATCH'],
    ['{"x": [[1], [2]]}', 'DATA_DAMAGED'],
  ] as const) {
    const path = await write('bad.jsonl', `{"x": [1, 2]}\n${line}\n`);
    await assert.rejects(first(path), { code, message: /bad\.jsonl, line 2/ }, line);
  }
  const unlabelled = await write('bad.jsonl', '{"x": 1, "label": 0}\n{"x": 1}\n');
  await assert.rejects(first(unlabelled), { code: 'DATA_NO_LABELS', message: /line 2/ });
  await assert.rejects(first(await write('none.jsonl', '\n\n')), { code: 'DATA_EMPTY' });
  await assert.rejects(first(await write('bytes.jsonl', Uint8Array.of(0xff, 0xfe, 0x00))), {
    code: 'DATA_DAMAGED',
  });
});

test('CSV: columns are features, the label apart; fields and columns as told', async () => {
  const path = await write('a.csv', 'a,b,"c, d",label\n1,2,3,x\n4,5.5,-6e1,y\n');
  const dataset = await openDataset(path);
  assert.deepEqual(dataset.fields, [{ name: 'input', dtype: 'float32', dims: [3] }]);
  const batch = await first(path);
  assert.deepEqual(batch.feeds.input?.numbers(), [1, 2, 3, 4, 5.5, -60]);
  assert.deepEqual(batch.labels?.numbers(), [0, 1]);
  const told = await first(path, {
    columns: { p: ['b'], q: ['c, d', 'a'] },
    preprocess: { dims: { q: [1, 2] } },
  });
  assert.deepEqual(told.feeds.p?.dims, [2, 1]);
  assert.deepEqual(told.feeds.q?.dims, [2, 1, 2]);
  assert.deepEqual(told.feeds.q?.numbers(), [3, 1, -60, 4]);
  const bare = await write('bare.tsv', '1\t2\n3\t4\n');
  const rows = await first(bare, { header: false, labels: { column: '1' } });
  assert.deepEqual(
    [rows.feeds.input?.numbers(), rows.labels?.numbers()],
    [
      [1, 3],
      [2, 4],
    ],
  );
});

test('CSV: damage is named by its record', async () => {
  const bad = async (text: string, code: string, message: RegExp) =>
    assert.rejects(first(await write('bad.csv', text)), { code, message });
  await bad('a,b\n1,2\n3\n', 'DATA_DAMAGED', /bad\.csv/);
  await bad('a,b\n1,2\n3,four\n', 'DATA_DAMAGED', /bad\.csv, record 2/);
  await bad('a,b\n1,2\n3,\n', 'DATA_DAMAGED', /record 2/);
  await bad('a,b\n1,"2\n', 'DATA_DAMAGED', /bad\.csv/);
  await bad('a,a\n1,2\n', 'DATA_DAMAGED', /two columns named 'a'/);
  await bad('a,b\n', 'DATA_EMPTY', /bad\.csv/);
  await bad('', 'DATA_EMPTY', /bad\.csv/);
  const path = await write('a2.csv', 'a,b\n1,2\n');
  await assert.rejects(openDataset(path, { columns: ['z'] }), {
    code: 'DATA_NAMES_MISMATCH',
    message: /a, b/,
  });
  await assert.rejects(openDataset(path, { labels: { column: 'z' } }), { code: 'DATA_NO_LABELS' });
});

test('Parquet: numbers together, lists each a field, over several row groups', async () => {
  const n = 1000;
  const flat = parquetWriteBuffer({
    columnData: [
      { name: 'a', data: Float32Array.from({ length: n }, (_, i) => i), type: 'FLOAT' },
      { name: 'b', data: Array.from({ length: n }, (_, i) => i / 2), type: 'DOUBLE' },
      { name: 'label', data: Array.from({ length: n }, (_, i) => (i % 2 ? 'odd' : 'even')), type: 'STRING' },
    ],
    rowGroupSize: 300,
  });
  const path = await write('flat.parquet', new Uint8Array(flat));
  const dataset = await openDataset(path);
  assert.deepEqual([dataset.size, dataset.fields], [n, [{ name: 'input', dtype: 'float32', dims: [2] }]]);
  const batch = await first(path, {}, [3, 299, 300, 999]);
  assert.deepEqual(batch.feeds.input?.numbers(), [3, 1.5, 299, 149.5, 300, 150, 999, 499.5]);
  assert.deepEqual(batch.labels?.numbers(), [1, 1, 0, 1]);
  const lists = parquetWriteBuffer({
    columnData: [
      {
        name: 'tokens',
        data: [
          [1n, 2n, 3n],
          [4n, 5n, 6n],
        ],
      },
      { name: 'weight', data: [0.5, 0.25] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'tokens', repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'INT64', repetition_type: 'OPTIONAL' },
      { name: 'weight', type: 'DOUBLE', repetition_type: 'REQUIRED' },
    ],
  });
  const nested = await openDataset(await write('lists.parquet', new Uint8Array(lists)));
  assert.deepEqual(nested.fields, [
    { name: 'tokens', dtype: 'int64', dims: [3] },
    { name: 'weight', dtype: 'float32', dims: [] },
  ]);
});

test('Parquet: damaged files are named', async () => {
  const values = Float64Array.from({ length: 200 }, (_, i) => Math.sin(i));
  const whole = new Uint8Array(
    parquetWriteBuffer({ columnData: [{ name: 'a', data: values, type: 'DOUBLE' }] }),
  );
  for (const length of [0, 4, 11, 100, whole.length - 1]) {
    const path = await write('bad.parquet', whole.subarray(0, length));
    await assert.rejects(first(path), { code: 'DATA_DAMAGED', message: /bad\.parquet/ }, String(length));
  }
  for (let at = 0; at < whole.length; at += 11) {
    const bytes = Uint8Array.from(whole);
    bytes[at]! ^= 0x55;
    await first(await write('bad.parquet', bytes)).catch((cause) => {
      assert.match(String(cause.code), /^DATA_/, `byte ${at}: ${cause.stack}`);
    });
  }
});

test('a module may export samples by number, a generator, or a whole dataset', async () => {
  const get = await write(
    'get.ts',
    `interface Sample { feeds: { x: number[] }; label: number }
     export default { size: 3, classes: ['a', 'b', 'c'], get: (i: number): Sample => ({ feeds: { x: [i, i * 2] }, label: i }) };`,
  );
  const batch = await first(get, {}, [0, 2]);
  assert.deepEqual(batch.feeds.x?.numbers(), [0, 0, 2, 4]);
  assert.deepEqual(batch.labels?.numbers(), [0, 2]);
  assert.deepEqual((await openDataset(get)).labels?.classes, ['a', 'b', 'c']);
  const stream = await write(
    'stream.mjs',
    'export default async function* () { for (let i = 0; i < 5; i++) yield { feeds: { x: BigInt64Array.of(BigInt(i)) } }; }',
  );
  const dataset = await openDataset(stream);
  assert.deepEqual([dataset.size, dataset.fields], [5, [{ name: 'x', dtype: 'int64', dims: [1] }]]);
  assert.deepEqual((await first(stream, {}, [1, 4])).feeds.x?.numbers(), [1, 4]);
  const made = await write(
    'made.mjs',
    'export default async () => ({ size: 1, fields: [{ name: "x", dtype: "int32", dims: [2, 1] }], get: async () => ({ feeds: { x: [3, 4] } }) });',
  );
  assert.deepEqual((await first(made)).feeds.x?.dims, [1, 2, 1]);
});

test('a module that fails is named', async () => {
  let n = 0;
  for (const [text, code] of [
    ['export default 5;', 'DATA_FORMAT_UNKNOWN'],
    ['export default {', 'DATA_DAMAGED'],
    ['throw new Error("no disk");', 'DATA_DAMAGED'],
    ['export default () => { throw new Error("no disk"); };', 'DATA_DAMAGED'],
    ['export default { size: 2, get(i) { return i ? undefined : { feeds: { x: 1 } }; } };', 'DATA_DAMAGED'],
    ['export default { size: 0, get() {} };', 'DATA_EMPTY'],
    ['export default { size: 2, get: (i) => ({ feeds: { x: i ? [1, 2] : [1] } }) };', 'DATA_SHAPE_MISMATCH'],
    ['export default function* () {}', 'DATA_EMPTY'],
    [
      'let n = 0; export default function* () { yield { feeds: { x: 1 } }; if (n++) throw Error(); yield { feeds: { x: 2 } }; }',
      'DATA_DAMAGED',
    ],
  ] as const) {
    // Node keeps modules by path.
    const path = await write(`bad${n++}.mjs`, text);
    await assert.rejects(first(path), { code, message: /bad\d+\.mjs/ }, text);
  }
});
