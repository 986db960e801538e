import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { espeakVersion } from '../../examples/keyword-spotter/espeak.ts';
import { AUDIO, STEP } from '../../examples/keyword-spotter/features.ts';
import { MADE_WITH } from '../../examples/keyword-spotter/synthesise.ts';
import { CLASSES, SIDES } from '../../examples/keyword-spotter/words.ts';
import { bind, type Dataset, openDataset, openNpz } from '../../src/data/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { openSession } from '../../src/run/index.ts';
import { ROOT } from '../shared-data.ts';

const FOLDER = join(ROOT, 'examples/keyword-spotter');
const MODEL = join(FOLDER, 'model.onnx');
const DATA = join(FOLDER, 'data.npz');
const SYNTHESISE = fileURLToPath(new URL('../../examples/keyword-spotter/synthesise.js', import.meta.url));

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

test('the evaluation set is balanced, finite and without duplicates', async () => {
  const dataset = await openNpz(DATA);
  const { rows, labels } = await everything(dataset);
  assert.equal(dataset.size, 3000);
  assert.deepEqual(dataset.fields[0]?.dims, [1, 49, 10]);
  for (let label = 0; label < CLASSES.length; label++) {
    assert.equal(labels.filter((other) => other === label).length, dataset.size / CLASSES.length);
  }
  assert.ok(
    rows.every((row) => row.every((value) => Number.isInteger(value / STEP) && Math.abs(value) < 256)),
  );
  assert.equal(new Set(rows.map((row) => row.join())).size, rows.length);
});

test('the two sides share no speaker, no unknown word and no background language', () => {
  const { train, evaluate } = SIDES;
  for (const kind of ['unknown', 'variants', 'babble', 'slopes'] as const) {
    const known = new Set<string | number>(train[kind]);
    assert.deepEqual(
      [...evaluate[kind]].filter((item) => known.has(item)),
      [],
      kind,
    );
  }
  for (const side of [train, evaluate]) {
    assert.ok(CLASSES.every((word) => !(side.unknown as readonly string[]).includes(word)));
  }
});

test('the example stays under 3 MB', () => {
  const bytes = readdirSync(FOLDER).reduce((sum, name) => sum + statSync(join(FOLDER, name)).size, 0);
  assert.ok(bytes < 3e6, `${bytes} bytes`);
});

test('the model is as right as its README says', async () => {
  const said = /(\d,\d{3}) of 3,000/.exec(readFileSync(join(FOLDER, 'README.md'), 'utf8'));
  assert.ok(said, 'README.md states how many samples are right');
  const dataset = await openNpz(DATA);
  const session = await openSession(MODEL, { threads: 1 });
  let right = 0;
  try {
    assert.deepEqual(session.inputs, [INPUT]);
    for await (const batch of bind(dataset, session.inputs, { batch: 250 })) {
      const { scores } = await session.run(batch.feeds);
      const values = scores!.numbers();
      batch.labels!.numbers().forEach((label, i) => {
        const answer = values.slice(i * CLASSES.length, (i + 1) * CLASSES.length);
        if (Number(label) === answer.indexOf(Math.max(...answer))) right++;
      });
    }
  } finally {
    await session.dispose();
  }
  // Another processor adds up in another order: a tie or two may fall otherwise.
  assert.ok(Math.abs(right - Number(said[1]!.replace(',', ''))) <= 3, `${right} of 3000 are right`);
});

test('the model has the shape of MLPerf Tiny, as an exporter leaves it', async () => {
  const { graph } = await loadModel(MODEL);
  const ops = graph.nodes.map((node) => node.op);
  assert.equal(ops.filter((op) => op === 'Conv').length, 9);
  assert.equal(ops.filter((op) => op === 'BatchNormalization').length, 9);
  assert.equal(ops.filter((op) => op === 'Gemm').length, 1);
  assert.ok(statSync(MODEL).size < 120e3);
});

test('synthesise makes the committed samples again', { timeout: 120_000 }, async (t) => {
  const version = espeakVersion();
  if (version === undefined) return t.skip('espeak-ng is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'modicum-keywords-'));
  try {
    const out = join(folder, 'again.npz');
    const options = ['--side', 'evaluate', '--samples', '6', '--out', out];
    const run = spawnSync(process.execPath, [SYNTHESISE, ...options], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    const again = await everything(await openNpz(out));
    const committed = await everything(await openNpz(DATA));
    assert.deepEqual(again.labels, committed.labels.slice(0, 6));
    if (version !== MADE_WITH) return t.skip(`espeak-ng is ${version}, not ${MADE_WITH}`);
    for (const [i, row] of again.rows.entries()) {
      // Another libm may round a feature to the neighbouring step.
      const apart = row.map((value, at) => Math.abs(value - committed.rows[i]![at]!));
      assert.ok(Math.max(...apart) <= STEP, `sample ${i} differs by ${Math.max(...apart)}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a folder of the clips gives the committed features', { timeout: 120_000 }, async (t) => {
  if (espeakVersion() !== MADE_WITH) return t.skip(`espeak-ng ${MADE_WITH} is not installed`);
  const folder = mkdtempSync(join(tmpdir(), 'modicum-clips-'));
  try {
    const run = spawnSync(process.execPath, [SYNTHESISE, '--samples', '6', '--wav', folder], {
      encoding: 'utf8',
    });
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

test('synthesise refuses what it cannot make', () => {
  const run = spawnSync(process.execPath, [SYNTHESISE, '--side', 'nobody', '--out', 'x.npz'], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 2);
  assert.match(run.stderr, /--side is train, quiet, validate or evaluate/);
});
