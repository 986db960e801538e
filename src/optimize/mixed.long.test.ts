import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeConvPair } from '../../test/e2e/samples.ts';
import { ModicumError, SILENT } from '../base/index.ts';
import { buffered, openDataset, split } from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import { makeGoal } from './goal.ts';
import { Journal } from './journal/journal.ts';
import { mixedAssignment } from './mixed.ts';
import { Kitchen } from './recipe.ts';
import { defaultRunSettings } from './settings.ts';
import { candidateOf, shapeOf } from './space/recipe-of.ts';

test('a mix of precisions is found on the search part, recorded, and cooked; or the reason is told, and recorded too', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-mixed-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const pair = await writeConvPair(folder, 300);
  const parts = await split(await buffered(await openDataset(pair.data)), { seed: 0 });
  const journal = Journal.inMemory(60);
  const context = { progress: SILENT, seed: 0, calibration: parts.calibration };
  const kitchen = new Kitchen(await loadModel(pair.model), context, journal);
  const goal = makeGoal({ metric: 'top1', maxDrop: 5, minimize: 'size' });
  const options = { kitchen, journal, split: parts, goal, seed: 0, progress: SILENT };
  const shape = shapeOf({}, { shape: 3, learned: 3 });
  const look = () => mixedAssignment(shape, defaultRunSettings(2), options);
  const found = await look().catch((thrown: unknown) => {
    assert.ok(thrown instanceof ModicumError && thrown.code === 'NOTHING_TO_QUANTIZE', String(thrown));
    return undefined;
  });
  const steps = journal.size;
  if (found === undefined) await assert.rejects(look(), /no mix of precisions is worth it/);
  else {
    assert.deepEqual(await look(), found);
    assert.ok(new Set(Object.values(found)).size > 1, JSON.stringify(found));
  }
  assert.equal(journal.size, steps, 'nothing was done again');
  const assignment = found ?? { none: 'int8' };
  const { recipe, title } = candidateOf(
    { precision: 'mixed' },
    { shape: 3, learned: 3 },
    { slow: [], sensitive: [], assignment },
  );
  assert.equal(title, 'mixed precision');
  const cooked = await kitchen.cook(recipe);
  assert.equal(cooked.faithful, found === undefined);
});
