import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openDataset } from '../index.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-idx-'));
});
after(() => rm(folder, { recursive: true }));

function idx(type: number, dims: number[], body: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * dims.length);
  head[2] = type;
  head[3] = dims.length;
  for (const [axis, dim] of dims.entries()) head.writeUInt32BE(dim, 4 + 4 * axis);
  return Buffer.concat([head, body]);
}

const images = idx(
  8,
  [3, 2, 2],
  Uint8Array.from({ length: 12 }, (_, i) => i),
);
const labels = idx(8, [3], Uint8Array.of(7, 8, 9));

test('MNIST-like files are read with their labels, gzipped or not', async () => {
  for (const [ending, pack] of [
    ['', (bytes: Buffer) => bytes],
    ['.gz', (bytes: Buffer) => gzipSync(bytes)],
  ] as const) {
    await writeFile(join(folder, `t-images-idx3-ubyte${ending}`), pack(images));
    await writeFile(join(folder, `t-labels-idx1-ubyte${ending}`), pack(labels));
    const dataset = await openDataset(join(folder, `t-images-idx3-ubyte${ending}`), {
      preprocess: { cast: 'float32', dims: [1, 2, 2] },
    });
    assert.deepEqual(dataset.fields, [{ name: 'input', dtype: 'float32', dims: [1, 2, 2] }]);
    for await (const batch of dataset.read({ indices: [0, 2] })) {
      assert.deepEqual(batch.feeds.input?.numbers(), [0, 1, 2, 3, 8, 9, 10, 11]);
      assert.deepEqual(batch.labels?.numbers(), [7, 9]);
    }
  }
});

test('big-endian floats are turned', async () => {
  const body = Buffer.alloc(8);
  body.writeFloatBE(1.5, 0);
  body.writeFloatBE(-2, 4);
  await writeFile(join(folder, 'floats.idx'), idx(13, [2], body));
  for await (const { feeds } of (await openDataset(join(folder, 'floats.idx'))).read()) {
    assert.deepEqual(feeds.input?.numbers(), [1.5, -2]);
  }
});

test('damaged files are named', async () => {
  const path = join(folder, 'bad.idx');
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('hello world'),
    images.subarray(0, 20),
    images.subarray(0, 6),
  ]) {
    await writeFile(path, bytes);
    await assert.rejects(openDataset(path), { code: 'DATA_DAMAGED', message: /bad\.idx/ });
  }
  const zipped = join(folder, 'bad.idx.gz');
  await writeFile(zipped, gzipSync(Buffer.concat([images.subarray(0, 24)])));
  const read = async () => {
    for await (const _ of (await openDataset(zipped)).read());
  };
  await assert.rejects(read(), { code: 'DATA_DAMAGED', message: /bad\.idx\.gz/ });
  await writeFile(zipped, gzipSync(images).subarray(0, 30));
  await assert.rejects(read(), { code: 'DATA_DAMAGED', message: /bad\.idx\.gz/ });
});
