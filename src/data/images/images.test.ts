import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import jpeg from 'jpeg-js';
import { sharedData } from '../../../test/shared-data.ts';
import { type DataOptions, openDataset } from '../index.ts';
import { decodePicture } from './pixels.ts';
import { resize } from './resize.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-images-'));
});
after(() => rm(folder, { recursive: true }));

type Image = NonNullable<DataOptions['preprocess']>['image'];

/** The one picture of a file as numbers, under some options. */
async function read(path: string, image: Image = {}): Promise<{ dims: readonly number[]; values: number[] }> {
  const dataset = await openDataset(path, { preprocess: { image } });
  for await (const { feeds } of dataset.read()) {
    return { dims: dataset.fields[0]!.dims, values: feeds.input!.numbers() };
  }
  throw new Error('no sample');
}

async function png(name: string, picture: Parameters<typeof encode>[0]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, encode(picture));
  return path;
}

/** A PNG written by hand, for what the encoder does not write: small depths, palettes. */
function rawPng(
  width: number,
  height: number,
  depth: number,
  type: number,
  rows: number[][],
  palette?: number[],
) {
  const chunk = (name: string, body: Uint8Array) => {
    const inner = Buffer.concat([Buffer.from(name), body]);
    const frame = Buffer.alloc(8 + inner.length);
    frame.writeUInt32BE(body.length, 0);
    inner.copy(frame, 4);
    frame.writeUInt32BE(crc32(inner), 4 + inner.length);
    return frame;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([depth, type, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', head),
    ...(palette ? [chunk('PLTE', Uint8Array.from(palette))] : []),
    chunk('IDAT', deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    chunk('IEND', new Uint8Array(0)),
  ]);
}

test('grey, RGB, RGBA and 16-bit pictures come as planes of the declared channels', async () => {
  const grey = await png('grey.png', { width: 2, height: 1, channels: 1, data: Uint8Array.of(10, 200) });
  assert.deepEqual(await read(grey), { dims: [3, 1, 2], values: [10, 200, 10, 200, 10, 200] });
  assert.deepEqual(await read(grey, { channels: 1 }), { dims: [1, 1, 2], values: [10, 200] });
  const rgb = await png('rgb.png', {
    width: 2,
    height: 1,
    channels: 3,
    data: Uint8Array.of(1, 2, 3, 4, 5, 6),
  });
  assert.deepEqual((await read(rgb)).values, [1, 4, 2, 5, 3, 6]);
  assert.deepEqual((await read(rgb, { order: 'bgr' })).values, [3, 6, 2, 5, 1, 4]);
  assert.deepEqual(await read(rgb, { layout: 'nhwc' }), { dims: [1, 2, 3], values: [1, 2, 3, 4, 5, 6] });
  assert.ok(Math.abs((await read(rgb, { channels: 1 })).values[0]! - (0.299 + 2 * 0.587 + 3 * 0.114)) < 1e-5);
  const rgba = await png('rgba.png', { width: 1, height: 1, channels: 4, data: Uint8Array.of(9, 8, 7, 0) });
  assert.deepEqual((await read(rgba)).values, [9, 8, 7]);
  const deep = { width: 1, height: 1, channels: 1, depth: 16 as const, data: Uint16Array.of(257 * 99) };
  assert.deepEqual((await read(await png('deep.png', deep), { channels: 1 })).values, [99]);
});

test('palettes and grey of fewer bits are unpacked', () => {
  const indexed = decodePicture(
    rawPng(3, 2, 2, 3, [[0b00011000], [0b01000000]], [0, 0, 0, 10, 20, 30, 40, 50, 60]),
    'p',
  );
  assert.deepEqual(
    Array.from(indexed.data),
    [
      [0, 0, 0],
      [10, 20, 30],
      [40, 50, 60],
      [10, 20, 30],
      [0, 0, 0],
      [0, 0, 0],
    ].flat(),
  );
  const bits = decodePicture(rawPng(3, 2, 1, 0, [[0b10100000], [0b01000000]]), 'g');
  assert.deepEqual(Array.from(bits.data), [255, 0, 255, 0, 255, 0]);
  const nibbles = decodePicture(rawPng(3, 1, 4, 0, [[0x0f, 0x50]]), 'g');
  assert.deepEqual(Array.from(nibbles.data), [0, 255, 85]);
});

test('scale, mean and std go by channel', async () => {
  const path = await png('norm.png', { width: 1, height: 1, channels: 3, data: Uint8Array.of(255, 51, 0) });
  const { values } = await read(path, { scale: 1 / 255, mean: [0.5, 0.1, 0.2], std: [0.5, 0.1, 0.4] });
  for (const [i, wanted] of [1, 1, -0.5].entries()) assert.ok(Math.abs(values[i]! - wanted) < 1e-6);
  await assert.rejects(read(path, { mean: [1, 2] }), { code: 'USAGE_BAD_OPTION' });
  await assert.rejects(read(path, { std: 0 }), { code: 'USAGE_BAD_OPTION' });
});

test('resizing follows the formulas at half-pixel centres', () => {
  const picture = { width: 4, height: 1, channels: 1 as const, data: Float32Array.of(0, 10, 20, 30) };
  const bilinear = { filter: 'bilinear' as const, antialias: false };
  // Centres of 2 outputs lie at 0.5 and 2.5 of the input.
  assert.deepEqual(Array.from(resize(picture, 2, 1, bilinear).data), [5, 25]);
  // Centres of 8 lie at -0.25, 0.25, 0.75, ...; beyond the edge the edge stays.
  assert.deepEqual(
    Array.from(resize(picture, 8, 1, bilinear).data),
    [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30],
  );
  // Widened to reach 2 on each side: weights 1/8, 3/8, 3/8, 1/8, and what lies outside is left out.
  const smooth = Array.from(resize(picture, 2, 1, { filter: 'bilinear', antialias: true }).data);
  const first = (0 * 0.75 + 10 * 0.75 + 20 * 0.25) / 1.75;
  assert.ok(
    Math.abs(smooth[0]! - first) < 1e-5 && Math.abs(smooth[1]! - (30 - first)) < 1e-5,
    String(smooth),
  );
  assert.deepEqual(Array.from(resize(picture, 2, 1, { filter: 'nearest', antialias: true }).data), [10, 30]);
  const square = { width: 2, height: 2, channels: 1 as const, data: Float32Array.of(0, 0, 8, 8) };
  assert.deepEqual(Array.from(resize(square, 2, 4, bilinear).data), [0, 0, 2, 2, 6, 6, 8, 8]);
});

test('stretch presses, crop cuts out the centre', async () => {
  const data = Uint8Array.from({ length: 12 }, (_, i) => (i % 6) * 40);
  const path = await png('wide.png', { width: 6, height: 2, channels: 1, data });
  const image = { width: 2, height: 2, channels: 1, antialias: false } as const;
  assert.deepEqual((await read(path, { ...image, fit: 'crop' })).values, [80, 120, 80, 120]);
  assert.deepEqual((await read(path, image)).values, [40, 160, 40, 160]);
  const larger = await read(path, { ...image, fit: 'crop', shorter: 4, filter: 'nearest' });
  assert.deepEqual(larger.values, [80, 120, 80, 120]);
});

test('JPEG comes within its coding error', async () => {
  const data = new Uint8Array(16 * 16 * 4).fill(255);
  for (let p = 0; p < 256; p++) data.set([200, 100, 50], p * 4);
  const path = join(folder, 'flat.jpg');
  await writeFile(path, jpeg.encode({ width: 16, height: 16, data }, 95).data);
  const { dims, values } = await read(path);
  assert.deepEqual(dims, [3, 16, 16]);
  for (const [c, wanted] of [200, 100, 50].entries())
    assert.ok(Math.abs(values[c * 256 + 99]! - wanted) <= 3);
});

test('a folder of class folders has classes, one of parts has parts', async () => {
  const root = join(folder, 'classes');
  for (const [place, value] of [
    ['train/10', 10],
    ['train/2', 2],
    ['test/2', 3],
    ['test/10', 11],
  ] as const) {
    await mkdir(join(root, place), { recursive: true });
    const data = Uint8Array.of(value);
    await writeFile(join(root, place, 'a.png'), encode({ width: 1, height: 1, channels: 1, data }));
  }
  const whole = await openDataset(root, { preprocess: { image: { channels: 1 } } });
  assert.deepEqual(whole.labels?.classes, ['2', '10']);
  assert.deepEqual(Object.keys(whole.parts ?? {}), ['test', 'train']);
  const part = await openDataset(join(root, 'train'), { preprocess: { image: { channels: 1 } } });
  for await (const { feeds, labels } of part.read()) {
    assert.deepEqual(feeds.input?.numbers(), [10, 2]);
    assert.deepEqual(labels?.numbers(), [1, 0]);
  }
  await writeFile(
    join(root, 'train', 'stray.png'),
    encode({ width: 1, height: 1, channels: 1, data: [1] as never }),
  );
  await assert.rejects(openDataset(join(root, 'train')), {
    code: 'DATA_FORMAT_UNKNOWN',
    message: /stray\.png/,
  });
});

test('pictures of different sizes need a declared one; damaged ones are named', async () => {
  const root = join(folder, 'uneven');
  await mkdir(root);
  await writeFile(join(root, 'a.png'), encode({ width: 1, height: 1, channels: 1, data: Uint8Array.of(1) }));
  await writeFile(
    join(root, 'b.png'),
    encode({ width: 2, height: 1, channels: 1, data: Uint8Array.of(1, 2) }),
  );
  const consume = async (image: Image) => {
    for await (const _ of (await openDataset(root, { preprocess: { image } })).read());
  };
  await assert.rejects(consume({}), { code: 'DATA_SHAPE_MISMATCH', hint: /width and height/ });
  await consume({ width: 2, height: 2 });
  const good = await readFile(join(root, 'b.png'));
  const photo = jpeg.encode({ width: 8, height: 8, data: new Uint8Array(256).map((_, i) => i) }, 90).data;
  const huge = Buffer.from(good);
  huge.writeUInt32BE(0x7fffffff, 16);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('text'),
    good.subarray(0, 20),
    good.subarray(0, good.length - 16),
    good.subarray(0, 45),
    huge,
    photo.subarray(0, photo.length >> 1),
    photo.subarray(0, 10),
  ]) {
    await writeFile(join(root, 'b.png'), bytes);
    await assert.rejects(consume({ width: 2, height: 2 }), { code: 'DATA_DAMAGED', message: /b\.png/ });
  }
  for (const whole of [good, photo]) {
    for (let at = 2; at < whole.length; at += 3) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x55;
      await writeFile(join(root, 'b.png'), bytes);
      await consume({ width: 2, height: 2 }).catch((cause) => assert.equal(cause.code, 'DATA_DAMAGED'));
    }
  }
});

test('the MNIST pictures are read with their labels from a CSV file', async (t) => {
  const archive = sharedData('mnist/mnist-pngs.tar.gz');
  if (archive === undefined) return t.skip('data absent');
  const root = join(folder, 'mnist');
  await mkdir(root);
  const unpacked = spawnSync('tar', ['xzf', archive, '-C', root, 'test.csv', 'test/3', 'test/7']);
  if (unpacked.status !== 0) return t.skip('tar does not unpack the archive');
  const options = { preprocess: { image: { channels: 1 as const } } };
  const byFolder = await openDataset(join(root, 'test'), { ...options, labels: { classes: ['3', '7'] } });
  assert.deepEqual(byFolder.fields, [{ name: 'input', dtype: 'float32', dims: [1, 28, 28] }]);
  const byTable = await openDataset(root, {
    ...options,
    labels: { file: 'test.csv', name: 'filepath', value: 'label' },
  });
  assert.equal(byTable.size, 1010 + 1028);
  const counts = new Map<number, number>();
  for await (const { labels } of byTable.read({ fields: [] })) {
    for (const label of labels?.numbers() ?? []) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  assert.deepEqual([...counts].sort(), [
    [3, 1010],
    [7, 1028],
  ]);
});
