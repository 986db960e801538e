import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { loadModel } from '../../src/files/index.ts';
import { ROOT } from '../shared-data.ts';

test('examples/train.ts --quick trains, distils and judges an example from nothing', async () => {
  const script = join(ROOT, 'build/examples/train.js');
  const { stdout } = await promisify(execFile)(process.execPath, [script, 'recommender', '--quick'], {
    cwd: ROOT,
  });
  for (const title of ['heavy, from labels', 'light, from labels', 'light, distilled']) {
    assert.ok(stdout.includes(title), stdout);
  }
  const folder = join(ROOT, 'out/examples/recommender');
  const { quick, rows } = JSON.parse(readFileSync(join(folder, 'training.json'), 'utf8'));
  assert.equal(quick, true);
  assert.equal(rows.length, 3);
  for (const row of rows) {
    // Chance is 50 %, and the sight of one twentieth of the data is better than that.
    assert.ok(row['click auc'][0] > 55 && row['click auc'][0] < 84, JSON.stringify(row));
    assert.ok(row['click ndcg@10'][0] > 30 && row['click ndcg@10'][0] < 70, JSON.stringify(row));
  }
  for (const name of ['heavy', 'light']) await loadModel(join(folder, `${name}.onnx`));
});
