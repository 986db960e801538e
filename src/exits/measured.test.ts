import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitFeeds, exitNet } from '../../test/exit-nets.ts';
import { inMemory } from '../data/index.ts';
import { findRecord } from '../measure/index.ts';
import { measureExits, ONE_FILE, STAGES, WHOLE } from './measured.ts';
import { nestedIf } from './nested-if.ts';
import { splitStages } from './split-stages.ts';

test('every way of running is raced on real samples, where they leave is counted, and energy comes with it', async () => {
  const net = exitNet(9, {
    exits: 1,
    classes: 3,
    confidence: 'max-probability',
    scale: 'logits',
    threshold: 0.5,
  });
  const staged = splitStages(net.model, net.exits);
  const data = inMemory(exitFeeds(net, 64));
  const measured = await measureExits(staged, net.model, {
    data,
    oneFile: await nestedIf(staged),
    batches: [1, 8],
    seconds: 0.5,
    wattsPerCore: 5,
  });
  assert.deepEqual(
    measured.batches.map(({ batch, contestants }) => [batch, ...contestants.map(({ name }) => name)]),
    [
      [1, WHOLE, STAGES, ONE_FILE],
      [8, WHOLE, STAGES],
    ],
  );
  assert.deepEqual(
    measured.inWorker.map(({ name }) => name),
    [WHOLE, ONE_FILE],
  );
  for (const { left, contestants } of measured.batches) {
    assert.ok(Math.abs(left[0]! + left[1]! - 1) < 1e-9 && left[0]! > 0.05 && left[1]! > 0.05, `${left}`);
    for (const { throughput } of contestants) assert.ok(throughput.value > 0);
  }
  const macs = findRecord(measured.records, 'exits.macs')!.value;
  const [first, last] = staged.stages;
  assert.ok(macs > first!.macs && macs < first!.macs + last!.macs);
  const energy = measured.records.filter(({ what }) => what === 'energy.per-inference');
  assert.deepEqual(
    energy.map(({ settings }) => [settings?.batch, settings?.contestant]),
    [
      [1, WHOLE],
      [1, STAGES],
      [1, ONE_FILE],
      [8, WHOLE],
      [8, STAGES],
    ],
  );
  await assert.rejects(measureExits(staged, net.model, { data, batches: [65] }), { code: 'DATA_TOO_FEW' });
});
