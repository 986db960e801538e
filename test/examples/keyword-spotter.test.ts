import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AUDIO, STEP } from '../../examples/keyword-spotter/features.ts';
import { HELD_OUT, testClips } from '../../examples/keyword-spotter/generate.ts';
import { CLASSES, SIDES } from '../../examples/keyword-spotter/words.ts';
import { bind, type Dataset, openDataset, openNpz } from '../../src/data/index.ts';
import { ROOT } from '../shared-data.ts';

const FOLDER = join(ROOT, 'examples/keyword-spotter');
const DATA = join(FOLDER, 'data.npz');
const LISTEN = fileURLToPath(new URL('../../examples/keyword-spotter/listen.js', import.meta.url));

const INPUT = { name: 'mfcc', dtype: 'float32', shape: ['batch', 1, 49, 10] } as const;

/** All features, [samples, 490] as rows, and all labels. */
async function everything(dataset: Dataset): Promise<{ rows: Float32Array[]; labels: number[] }> {
  const rows: Float32Array[] = [];
  const labels: number[] = [];
  for await (const batch of bind(dataset, [INPUT], { batch: 100 })) {
    const values = batch.feeds.mfcc!.numbers();
    for (let i = 0; i < batch.indices.length; i++)
      rows.push(Float32Array.from(values.slice(i * 490, (i + 1) * 490)));
    labels.push(...Array.from(batch.labels!.numbers(), Number));
  }
  return { rows, labels };
}

test('the committed test part is balanced, finite and without duplicates', async () => {
  const dataset = await openNpz(DATA);
  const { rows, labels } = await everything(dataset);
  assert.equal(dataset.size, HELD_OUT);
  assert.deepEqual(dataset.fields[0]?.dims, [1, 49, 10]);
  for (let label = 0; label < CLASSES.length; label++) {
    assert.equal(labels.filter((other) => other === label).length, dataset.size / CLASSES.length);
  }
  assert.ok(
    rows.every((row) => row.every((value) => Number.isInteger(value / STEP) && Math.abs(value) < 256)),
  );
  assert.equal(new Set(rows.map((row) => row.join())).size, rows.length);
});

test('the committed test part is what the generator makes', async () => {
  const [made, committed] = [await everything(testClips(60)), await everything(await openNpz(DATA))];
  assert.deepEqual(made.labels, committed.labels.slice(0, 60));
  for (const [i, row] of made.rows.entries()) {
    // Another libm may round a feature to the neighbouring step.
    const apart = row.map((value, at) => Math.abs(value - committed.rows[i]![at]!));
    assert.ok(Math.max(...apart) <= STEP, `sample ${i} differs by ${Math.max(...apart)}`);
  }
});

test('the two sides share no speaker, no unknown word and no slope of noise', () => {
  const { train, evaluate } = SIDES;
  for (const kind of ['unknown', 'slopes'] as const) {
    const known = new Set<string | number>(train[kind]);
    assert.deepEqual(
      [...evaluate[kind]].filter((item) => known.has(item)),
      [],
      kind,
    );
  }
  assert.ok(train.speakers[0] + train.speakers[1] <= evaluate.speakers[0]);
  for (const side of [train, evaluate]) {
    assert.ok(CLASSES.every((word) => !(side.unknown as readonly string[]).includes(word)));
  }
});

test('the example stays under 3 MB', () => {
  const bytes = readdirSync(FOLDER).reduce((sum, name) => sum + statSync(join(FOLDER, name)).size, 0);
  assert.ok(bytes < 3e6, `${bytes} bytes`);
});

test('a folder of the clips as sound gives the committed features', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-clips-'));
  try {
    const run = spawnSync(process.execPath, [LISTEN, folder, '--samples', '6'], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const clips = await openDataset(folder, { kind: 'audio', field: 'mfcc', preprocess: { audio: AUDIO } });
    const { rows } = await everything(clips);
    const committed = (await everything(await openNpz(DATA))).rows.slice(0, 6);
    assert.equal(rows.length, 6);
    for (const row of committed) {
      const near = rows.filter((other) => other.every((value, at) => Math.abs(value - row[at]!) <= STEP));
      assert.equal(near.length, 1);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('listen refuses what it cannot make', () => {
  const run = spawnSync(process.execPath, [LISTEN, 'nowhere', '--side', 'nobody'], { encoding: 'utf8' });
  assert.equal(run.status, 2);
  assert.match(run.stderr, /--side is one of train, validate, quiet, evaluate/);
});
