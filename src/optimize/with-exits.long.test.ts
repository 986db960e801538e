import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cloudNet, clouds } from '../../test/exits-nets.ts';
import { SILENT } from '../base/index.ts';
import { openBundle, portsOf, writeBundle } from '../bundle/index.ts';
import { split } from '../data/index.ts';
import { FeedStore } from './feed-store.ts';
import { makeGoal } from './goal.ts';
import { Journal } from './journal/journal.ts';
import { Judge } from './judge.ts';
import { defaultRunSettings } from './settings.ts';
import { runnableOf, type Variant } from './variant.ts';
import { beforeRounding, exitsAbsent, exitVariants, withExits } from './with-exits.ts';

test('a model with exits is made once, is judged and raced in both forms, and ships as a bundle', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'modicum-exits-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const model = await cloudNet();
  const parts = await split(clouds(4000, 31), { seed: 0 });
  const goal = makeGoal({ metric: 'top1', maxDrop: 3 });
  const place = join(folder, 'net.partial');
  const options = {
    data: parts.search,
    training: clouds(3000, 32),
    maxDrop: 3,
    goal,
    int8: false,
    seconds: 120,
    seed: 0,
    progress: SILENT,
  };
  const first = await Journal.open(place, {}, 60, false);
  const made = await withExits(model, 'clean fp32', { ...options, journal: first });
  assert.ok('exiting' in made, 'failed' in made ? made.failed : '');
  await first.close();
  const second = await Journal.open(place, {}, 60, true);
  const again = await withExits(model, 'clean fp32', { ...options, journal: second, seconds: 0 });
  assert.ok('exiting' in again);
  const { staged } = again.exiting;
  assert.deepEqual(
    staged.stages.map(({ model: _, ...rest }) => rest),
    made.exiting.staged.stages.map(({ model: _, ...rest }) => rest),
  );
  assert.match(again.words, /% leave at exit1.*of the MACs on average/);

  const base: Variant = {
    id: 'clean',
    title: 'clean fp32',
    recipe: [],
    model,
    bytes: 1,
    faithful: true,
    notes: [],
    settings: { ...defaultRunSettings(1), batch: 4 },
    status: 'dominated',
    why: '',
  };
  const variants = exitVariants(base, [], again, 1, goal);
  assert.deepEqual(
    variants.map(({ id, settings }) => [id, settings.batch]),
    [
      ['clean-exits-one-file', 1],
      ['clean-exits-stages', 16],
    ],
  );
  const feeds = new FeedStore(parts.search);
  const judge = new Judge({ original: model, goal, split: parts, feeds, journal: second, cores: 1, seed: 0 });
  t.after(() => judge.dispose());
  const drops: number[] = [];
  for (const variant of variants) {
    const { drop } = await judge.evaluate(runnableOf(variant), 'heldOut', variant.title);
    assert.ok(drop.value <= 4, `${drop.value} points lost`);
    drops.push(drop.value);
    const timing = await judge.race(runnableOf(variant), variant.title, variant.settings, {
      seconds: 0.5,
      rounds: 3,
      single: defaultRunSettings(1),
    });
    assert.ok(timing.throughput.value > 0 && timing.latency.value > 0);
  }
  assert.equal(drops[0], drops[1], 'samples leave alike, in one file and in stages');

  const [oneFile] = variants;
  await writeBundle(join(folder, 'bundle'), {
    about: {
      modicum: '0',
      name: 'net',
      chosen: oneFile!.id,
      inputs: portsOf(staged.inputs),
      outputs: portsOf(staged.outputs),
      settings: variants[1]!.settings,
      latencySettings: defaultRunSettings(1),
      goal: { metric: 'top1' },
      met: true,
    },
    models: [{ id: oneFile!.id, model: oneFile!.model, recipe: [] }],
    staged,
    records: [],
    story: {},
    report: '<!doctype html>',
  });
  const opened = await openBundle(join(folder, 'bundle'));
  assert.equal(opened.as, 'stages');
  await opened.session.dispose();
  await second.remove();
});

test('where exits are no choice, the reason is told; a recipe is taken back to before its rounding', () => {
  const data = clouds(300, 33);
  const why = (goal: Parameters<typeof makeGoal>[0], unit = '%') =>
    exitsAbsent(makeGoal(goal), unit, data, undefined);
  assert.match(why({ metric: 'top1' })!, /--train-data/);
  assert.match(why({ metric: 'cosine' }, '1')!, /right answers/);
  assert.match(why({ metric: 'top1', minimize: 'size' })!, /larger/);
  assert.match(why({ metric: 'top1', maxDrop: 0 })!, /nothing may be lost/);
  assert.equal(exitsAbsent(makeGoal({ metric: 'top1' }), '%', data, data), undefined);
  const step = (pass: 'clean' | 'equalize' | 'quantize-static' | 'prune-tune' | 'quantize-dynamic') => ({
    pass,
    words: '',
  });
  assert.deepEqual(beforeRounding([step('clean'), step('equalize'), step('quantize-static')]), {
    float: [step('clean')],
    int8: true,
  });
  assert.deepEqual(beforeRounding([step('prune-tune'), step('quantize-dynamic')]), {
    float: [step('prune-tune')],
    int8: false,
  });
});
