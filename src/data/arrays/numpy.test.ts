import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { DTYPES, type DType, Tensor } from '../../graph/index.ts';
import { type Dataset, openDataset, writeNpz } from '../index.ts';
import { npyHeader, parseNpyHeader, textsOf } from './npy.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-numpy-'));
});
after(() => rm(folder, { recursive: true }));

async function all(dataset: Dataset, field: string, batch = 3): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const { feeds } of dataset.read({ batch })) parts.push(feeds[field]!.bytes());
  return new Uint8Array(Buffer.concat(parts));
}

/** A .npy file from a header that numpy would write, and bytes. */
function npy(header: string, body: Uint8Array): Uint8Array {
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([head, Buffer.from(header, 'latin1'), body]);
}

const NUMPY_DTYPES: DType[] = [
  'float16',
  'float32',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
];

test('every dtype comes back as it was written, stored and deflated', async () => {
  for (const compress of [false, true]) {
    const arrays: Record<string, Tensor> = {};
    for (const dtype of NUMPY_DTYPES) {
      const bytes = Uint8Array.from({ length: (7 * 6 * DTYPES[dtype].bits) / 8 }, (_, i) =>
        dtype === 'bool' ? i % 2 : (i * 37) % 251,
      );
      arrays[dtype] = Tensor.ofBytes(dtype, [7, 2, 3], bytes);
    }
    const path = join(folder, `dtypes-${compress}.npz`);
    await writeNpz(path, arrays, { compress });
    const dataset = await openDataset(path);
    assert.equal(dataset.size, 7);
    for (const dtype of NUMPY_DTYPES) {
      const field = dataset.fields.find(({ name }) => name === dtype);
      assert.deepEqual(field, { name: dtype, dtype, dims: [2, 3] });
      assert.deepEqual(await all(dataset, dtype), arrays[dtype]?.bytes(), dtype);
    }
  }
});

test('any samples are read from stored and deflated archives alike', async () => {
  const x = Tensor.of(
    'int32',
    [300, 100],
    Int32Array.from({ length: 30000 }, (_, i) => i),
  );
  await writeNpz(join(folder, 'stored.npz'), { x });
  await writeNpz(join(folder, 'deflated.npz'), { x }, { compress: true });
  const stored = await openDataset(join(folder, 'stored.npz'));
  const deflated = await openDataset(join(folder, 'deflated.npz'));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(299), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      async (chosen, batch) => {
        const indices = chosen.sort((a, b) => a - b);
        for (const dataset of [stored, deflated]) {
          const rows: number[] = [];
          for await (const { feeds, indices: here } of dataset.read({ indices, batch })) {
            for (let i = 0; i < here.length; i++) rows.push((feeds.x?.data()[i * 100] as number) / 100);
          }
          assert.deepEqual(rows, indices);
        }
      },
    ),
    { seed: 3, numRuns: 25 },
  );
});

test('labels, constants and parts of an archive are known as such', async () => {
  const path = join(folder, 'roles.npz');
  await writeNpz(path, {
    x: Tensor.float32([4, 1], [1, 2, 3, 4]),
    rate: Tensor.int64([], [16000]),
    labels: Tensor.of('uint8', [4], Uint8Array.of(3, 2, 1, 0)),
    part: Tensor.of('int32', [4], Int32Array.of(0, 0, 1, 1)),
  });
  const dataset = await openDataset(path, { labels: { classes: ['a', 'b', 'c', 'd'] } });
  assert.deepEqual(dataset.labels, { dtype: 'int32', dims: [], classes: ['a', 'b', 'c', 'd'] });
  for await (const { feeds, labels } of dataset.read()) {
    assert.deepEqual(feeds.rate?.numbers(), [16000, 16000, 16000, 16000]);
    assert.deepEqual(labels?.numbers(), [3, 2, 1, 0]);
  }
  const test_ = await openDataset(path, { part: '1' });
  for await (const { feeds } of test_.read()) assert.deepEqual(feeds.x?.numbers(), [3, 4]);
  const bare = await openDataset(path, { labels: { none: true } });
  for await (const batch of bare.read()) assert.equal(batch.labels, undefined);
});

test('a .npy of big-endian or column-major elements reads as any other', async () => {
  const big = Buffer.alloc(24);
  for (let i = 0; i < 6; i++) big.writeFloatBE(i + 0.5, i * 4);
  const path = join(folder, 'big.npy');
  await writeFile(path, npy("{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }\n", big));
  const dataset = await openDataset(path, { field: 'sound' });
  assert.deepEqual(
    new Float32Array((await all(dataset, 'sound')).buffer),
    Float32Array.of(0.5, 1.5, 2.5, 3.5, 4.5, 5.5),
  );
  const columns = Int16Array.of(0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11);
  const body = new Uint8Array(columns.buffer);
  const fortran = join(folder, 'fortran.npy');
  await writeFile(fortran, npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 2), }\n", body));
  const rows = new Int16Array((await all(await openDataset(fortran), 'input')).buffer);
  assert.deepEqual(Array.from(rows), [...Array(12).keys()]);
});

test('fixed-width text of numpy is understood, but is no field', async () => {
  const utf32 = Buffer.alloc(2 * 4 * 3);
  for (const [i, code] of [...'no', '\0', ...'yes'].entries())
    utf32.writeUInt32LE(code.codePointAt(0)!, i * 4);
  const path = join(folder, 'labels.npy');
  const bytes = npy("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", utf32);
  const header = parseNpyHeader(bytes, 'labels.npy');
  assert.deepEqual(textsOf(bytes.slice(header.offset), header), ['no', 'yes']);
  await writeFile(path, bytes);
  await assert.rejects(openDataset(path), { code: 'DATA_DTYPE_MISMATCH', message: /text/ });
});

test('damaged archives and arrays are named, never a crash', async () => {
  const x = Tensor.float32(
    [50, 20],
    Array.from({ length: 1000 }, (_, i) => Math.sin(i)),
  );
  const path = join(folder, 'whole.npz');
  for (const compress of [false, true]) {
    await writeNpz(path, { x }, { compress });
    const whole = await readFile(path);
    const damaged = join(folder, 'damaged.npz');
    for (const length of [0, 1, 30, 100, whole.length >> 1, whole.length - 30, whole.length - 1]) {
      await writeFile(damaged, whole.subarray(0, length));
      await assert.rejects(openDataset(damaged), { code: 'DATA_DAMAGED', message: /damaged\.npz/ });
    }
    let refused = 0;
    for (let at = 0; at < whole.length; at += 31) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x5a;
      await writeFile(damaged, bytes);
      try {
        const dataset = await openDataset(damaged);
        // A damaged name is a name all the same.
        await all(dataset, dataset.fields[0]!.name);
      } catch (cause) {
        const { code } = cause as { code?: string };
        assert.match(String(code), /^DATA_/, `byte ${at}: ${(cause as Error).stack}`);
        refused++;
      }
    }
    assert.ok(refused > (compress ? 20 : 3), `${refused} refused`);
  }
  const array = join(folder, 'short.npy');
  await writeFile(array, Buffer.concat([npyHeader('float32', [10]), new Uint8Array(39)]));
  await assert.rejects(openDataset(array), {
    code: 'DATA_DAMAGED',
    message: /takes 168 bytes, there are 167/,
  });
  await writeFile(
    array,
    npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", new Uint8Array(8)),
  );
  await assert.rejects(openDataset(array), { code: 'DATA_DTYPE_MISMATCH', message: /\|O/ });
});

test('arrays of different numbers of samples, of none, and of empty samples are refused', async () => {
  const path = join(folder, 'uneven.npz');
  const three = Tensor.float32([3, 1], [1, 2, 3]);
  await writeNpz(path, { a: three, b: Tensor.float32([2, 1], [1, 2]) });
  await assert.rejects(openDataset(path), { code: 'DATA_SHAPE_MISMATCH', message: /b of uneven.npz has 2/ });
  await writeNpz(path, { a: three, labels: Tensor.float32([2], [1, 2]) });
  await assert.rejects(openDataset(path), { code: 'DATA_SHAPE_MISMATCH', message: /labels/ });
  await writeNpz(path, { a: Tensor.float32([0, 1], []) });
  await assert.rejects(openDataset(path), { code: 'DATA_EMPTY' });
  await writeNpz(path, { a: Tensor.float32([2, 0], []) });
  await assert.rejects(openDataset(path), { code: 'DATA_SHAPE_MISMATCH' });
  await writeNpz(path, {});
  await assert.rejects(openDataset(path), { code: 'DATA_EMPTY' });
});

test('the same arrays give the same archive, and nothing half-written stays', async () => {
  const x = Tensor.float32([2], [1, 2]);
  await writeNpz(join(folder, 'one.npz'), { x });
  await writeNpz(join(folder, 'two.npz'), { x });
  assert.deepEqual(await readFile(join(folder, 'one.npz')), await readFile(join(folder, 'two.npz')));
  const short = { dtype: 'float32' as const, dims: [4], pieces: () => [new Uint8Array(12)] };
  await assert.rejects(writeNpz(join(folder, 'short.npz'), { x: short }), { code: 'DATA_SHAPE_MISMATCH' });
  await assert.rejects(readFile(join(folder, 'short.npz')), { code: 'ENOENT' });
});

test('300 MB are read in a process that never holds them', async () => {
  const path = join(folder, 'large.npz');
  const megabyte = new Uint8Array(2 ** 20).fill(1);
  function* pieces() {
    for (let i = 0; i < 300; i++) yield megabyte;
  }
  await writeNpz(path, { x: { dtype: 'uint8', dims: [300 * 64, 16384], pieces } });
  const index = fileURLToPath(new URL('../index.js', import.meta.url));
  const program = `
    const { openDataset } = await import(${JSON.stringify(index)});
    const dataset = await openDataset(${JSON.stringify(path)});
    let sum = 0;
    for await (const { feeds } of dataset.read()) sum += feeds.x.byteLength * feeds.x.data()[5];
    console.log(JSON.stringify({ sum, peak: process.resourceUsage().maxRSS * 1024 }));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  assert.equal(child.status, 0, child.stderr);
  const { sum, peak } = JSON.parse(child.stdout) as { sum: number; peak: number };
  assert.equal(sum, 300 * 2 ** 20);
  assert.ok(peak < 230 * 2 ** 20, `${Math.round(peak / 2 ** 20)} MiB`);
});
