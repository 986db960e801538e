import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { ROOT, sharedData } from '../../test/shared-data.ts';
import { Tensor } from '../graph/index.ts';
import { bind, DATA_KINDS, type DataOptions, openDataset, writeNpz } from './index.ts';
import { checkOptions } from './options.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modicum-open-'));
});
after(() => rm(folder, { recursive: true }));

/** Keywords as MLPerf Tiny ships them: int8 features, the class in the file name and in a table. */
async function keywords(name: string): Promise<string> {
  const root = join(folder, name);
  await mkdir(root);
  for (const [i, cls] of [5, 2, 11].entries()) {
    await writeFile(join(root, `tst_00000${i}_Word_${cls}.bin`), Int8Array.of(83, 84, 85 + i, 73));
  }
  await writeFile(
    join(root, 'y_labels.csv'),
    'tst_000000_Word_5.bin, 12, 5\ntst_000001_Word_2.bin, 12, 2\ntst_000002_Word_11.bin, 12, 11\n',
  );
  return root;
}

const raw: DataOptions['raw'] = { dtype: 'int8', dims: [2, 2] };

test('a dataset.json in the folder is all that a command needs', async () => {
  const root = await keywords('sidecar');
  const options = {
    raw,
    labels: { file: 'y_labels.csv', value: 2 },
    preprocess: { dequantize: { scale: 0.5, zeroPoint: 83 } },
  };
  await writeFile(join(root, 'dataset.json'), JSON.stringify(options));
  for (const path of [root, join(root, 'dataset.json')]) {
    const dataset = await openDataset(path);
    assert.deepEqual(dataset.fields, [{ name: 'input', dtype: 'float32', dims: [2, 2] }]);
    for await (const { feeds, labels } of dataset.read({ indices: [0, 2] })) {
      assert.deepEqual(feeds.input?.numbers(), [0, 0.5, 1, -5, 0, 0.5, 2, -5]);
      assert.deepEqual(labels?.numbers(), [5, 11]);
    }
  }
  const named = await openDataset(root, { field: 'mfcc', labels: { none: true } });
  assert.deepEqual([named.fields[0]?.name, named.labels], ['mfcc', undefined]);
});

test('labels come from the file name by a pattern', async () => {
  const root = await keywords('pattern');
  const dataset = await openDataset(root, { raw, labels: { pattern: '_(\\d+)\\.bin$' } });
  for await (const { labels } of dataset.read({ fields: [] }))
    assert.deepEqual(labels?.numbers(), [5, 2, 11]);
  await assert.rejects(openDataset(root, { raw, labels: { pattern: '_(x)' } }), { code: 'DATA_NO_LABELS' });
  await assert.rejects(openDataset(root, { raw, labels: { pattern: '(' } }), { code: 'USAGE_BAD_OPTION' });
  await cp(join(root, 'tst_000000_Word_5.bin'), join(root, 'extra.bin'));
  await assert.rejects(openDataset(root, { raw, labels: { file: 'y_labels.csv', value: 2 } }), {
    code: 'DATA_NO_LABELS',
    message: /extra\.bin/,
  });
});

test('raw bytes need their shape, and files of that size', async () => {
  const root = await keywords('raw');
  await assert.rejects(openDataset(root), { code: 'USAGE_BAD_OPTION', message: /dtype and dims/ });
  await writeFile(join(root, 'tst_000001_Word_2.bin'), new Uint8Array(3));
  const consume = async () => {
    for await (const _ of (await openDataset(root, { raw })).read());
  };
  await assert.rejects(consume(), { code: 'DATA_DAMAGED', message: /tst_000001_Word_2\.bin has 3 bytes/ });
  const one = join(folder, 'many.bin');
  await writeFile(one, Uint8Array.of(9, 0, 1, 0, 2, 1, 0, 2, 0));
  const big: DataOptions['raw'] = { dtype: 'uint16', dims: [2], skip: 1, bigEndian: true };
  for await (const { feeds } of (await openDataset(one, { raw: big })).read()) {
    assert.deepEqual(
      [feeds.input?.dims, feeds.input?.numbers()],
      [
        [2, 2],
        [1, 2, 256, 512],
      ],
    );
  }
  await assert.rejects(openDataset(one, { raw: { dtype: 'int32', dims: [3] } }), { code: 'DATA_DAMAGED' });
});

test('the kind is known by the name, by the first bytes, or told', async () => {
  const path = join(folder, 'plain.npz');
  await writeNpz(path, { x: Tensor.float32([2], [1, 2]) });
  await cp(path, join(folder, 'plain'));
  assert.equal((await openDataset(join(folder, 'plain'))).size, 2);
  await writeFile(join(folder, 'rows.txt'), 'a,b\n1,2\n');
  assert.equal((await openDataset(join(folder, 'rows.txt'), { kind: 'csv' })).size, 1);
  await assert.rejects(openDataset(join(folder, 'rows.txt')), (error: Error & { code: string }) => {
    assert.equal(error.code, 'DATA_FORMAT_UNKNOWN');
    for (const kind of DATA_KINDS) assert.match(error.message, new RegExp(kind));
    return true;
  });
  await mkdir(join(folder, 'empty'));
  await assert.rejects(openDataset(join(folder, 'empty')), { code: 'DATA_FORMAT_UNKNOWN' });
  await assert.rejects(openDataset(join(folder, 'empty'), { kind: 'images' }), { code: 'DATA_EMPTY' });
  await assert.rejects(openDataset(join(folder, 'empty'), { kind: 'csv' }), { code: 'FILE_UNREADABLE' });
  await assert.rejects(openDataset(join(folder, 'nowhere.npz')), { code: 'FILE_NOT_FOUND' });
});

test('options are checked, and a broken dataset.json is named', async () => {
  const path = join(folder, 'checked.npz');
  await writeNpz(path, { x: Tensor.int64([2], [1, 300]) });
  await assert.rejects(openDataset(path, { kind: 'zip' as never }), {
    code: 'USAGE_BAD_OPTION',
    message: /kind/,
  });
  await assert.rejects(openDataset(path, { colour: 1 } as never), {
    code: 'USAGE_BAD_OPTION',
    message: /colour/,
  });
  await assert.rejects(openDataset(path, { preprocess: { cast: { y: 'int8' } } }), {
    code: 'DATA_NAMES_MISMATCH',
  });
  await assert.rejects(openDataset(path, { preprocess: { dims: [2] } }), { code: 'DATA_SHAPE_MISMATCH' });
  const narrow = await openDataset(path, { preprocess: { cast: 'uint8' } });
  const consume = async () => {
    for await (const _ of narrow.read());
  };
  await assert.rejects(consume(), { code: 'DATA_DTYPE_MISMATCH', message: /300 is no uint8/ });
  await writeFile(`${path}.dataset.json`, '{"field": ');
  await assert.rejects(openDataset(path), { code: 'DATA_DAMAGED', message: /dataset\.json/ });
  await writeFile(`${path}.dataset.json`, '{"preprocess": {"cast": "int32"}}');
  assert.equal((await openDataset(path)).fields[0]?.dtype, 'int32');
});

test('a dataset.json never leads to code', async () => {
  const root = join(folder, 'trap');
  await mkdir(root);
  await writeFile(
    join(root, 'trap.mjs'),
    'globalThis.trapped = true; export default { size: 1, get: () => 0 };',
  );
  for (const trap of [{ path: 'trap.mjs' }, { path: 'trap.mjs', kind: 'module' }]) {
    await writeFile(join(root, 'dataset.json'), JSON.stringify(trap));
    await assert.rejects(openDataset(root), { code: 'USAGE_BAD_OPTION', message: /comes with code/ });
    await assert.rejects(openDataset(join(root, 'dataset.json')), { code: 'USAGE_BAD_OPTION' });
  }
  assert.equal('trapped' in globalThis, false);
});

test('axes of samples are put into another order', async () => {
  const path = join(folder, 'turned.npz');
  const x = Tensor.of(
    'int16',
    [2, 6],
    Int16Array.from({ length: 12 }, (_, i) => i),
  );
  await writeNpz(path, { x });
  const dataset = await openDataset(path, {
    preprocess: { dims: [2, 3], transpose: [1, 0], cast: 'float32' },
  });
  assert.deepEqual(dataset.fields, [{ name: 'x', dtype: 'float32', dims: [3, 2] }]);
  for await (const { feeds } of dataset.read()) {
    assert.deepEqual(feeds.x?.dims, [2, 3, 2]);
    assert.deepEqual(feeds.x?.numbers(), [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
  }
  await assert.rejects(openDataset(path, { preprocess: { transpose: [1, 0] } }), {
    code: 'DATA_SHAPE_MISMATCH',
  });
});

test('every dataset.json of the docs is one', async () => {
  const text = await readFile(join(ROOT, 'docs/data.md'), 'utf8');
  const blocks = [...text.matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, block]) => block as string);
  assert.ok(blocks.length >= 4);
  for (const block of blocks) checkOptions(JSON.parse(block), block);
  for (const kind of DATA_KINDS) assert.match(text, new RegExp(`^\\| .${kind}. \\|`, 'm'));
});

test('the keywords of MLPerf Tiny feed a model of [1, 49, 10, 1]', async (t) => {
  const archive = sharedData('keywords/kws01-testset.tar.gz');
  if (archive === undefined) return t.skip('data absent');
  const root = join(folder, 'kws01');
  await mkdir(root);
  if (spawnSync('tar', ['xzf', archive, '-C', root]).status !== 0) return t.skip('tar does not unpack it');
  const dataset = await openDataset(root, {
    raw: { dtype: 'int8', dims: [10, 49] },
    labels: { pattern: '_(\\d+)\\.bin$' },
    preprocess: { transpose: [1, 0], dequantize: { scale: 0.4 } },
  });
  assert.equal(dataset.size, 1000);
  const counts = new Map<number, number>();
  for await (const { feeds, labels } of bind(dataset, [
    { name: 'x', dtype: 'float32', shape: [1, 49, 10, 1] },
  ])) {
    assert.deepEqual(feeds.x?.dims, [1, 49, 10, 1]);
    const label = labels?.numbers()[0] ?? -1;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.keys()].sort((a, b) => a - b),
    [...Array(12).keys()],
  );
});
