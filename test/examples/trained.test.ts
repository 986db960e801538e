import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pictures } from '../../examples/driving/generate.ts';
import { testClips } from '../../examples/keyword-spotter/generate.ts';
import { testInteractions } from '../../examples/recommender/generate.ts';
import { asFloats, judgedBy } from '../../examples/task.ts';
import { TASKS } from '../../examples/tasks.ts';
import type { Dataset } from '../../src/data/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { costOf } from '../../src/graph/index.ts';
import { evaluate, metricByName } from '../../src/measure/index.ts';
import { openSession } from '../../src/run/index.ts';
import { ROOT } from '../shared-data.ts';

/** What examples/train.ts wrote of a model: its cost and, by output and metric, value and interval on the test part. */
interface Row {
  readonly title: string;
  readonly macs: number;
  readonly [figure: string]: unknown;
}

/** The beginning of each test part, which takes a second or two to make. */
const SLICES: Readonly<Record<string, () => Dataset>> = {
  'keyword-spotter': () => testClips(600),
  recommender: testInteractions,
  driving: () => asFloats(pictures('driving (test)', 1, 600), 'image', 1 / 255),
};

/** Four standard errors of a share of 80 % among 600, and more: points. */
const MOST_OFF = 6.5;

for (const task of TASKS) {
  const folder = join(ROOT, 'examples', task.name);
  const written = join(folder, 'training.json');
  const skip = existsSync(written) ? false : 'no trained models of it are kept';

  test(`${task.name}: the trained models fit their task, are small and reach what is said of them`, {
    skip,
  }, async () => {
    const { quick, rows } = JSON.parse(readFileSync(written, 'utf8')) as { quick: boolean; rows: Row[] };
    assert.equal(quick, false, 'models of --quick are not to be kept');
    const kept = [
      { file: join(folder, 'heavy.onnx'), row: rows[0]!, bytes: 1.5e6 },
      { file: join(folder, 'light.onnx'), row: rows.at(-1)!, bytes: 150e3 },
    ];
    assert.match(kept[0]!.row.title, /heavy/);
    assert.match(kept[1]!.row.title, /light, distilled/);
    for (const { file, row, bytes } of kept) {
      assert.ok(statSync(file).size < bytes, `${file}: ${statSync(file).size} bytes`);
      const model = await loadModel(file);
      assert.equal(costOf(model).total.macs, row.macs);
      assert.deepEqual(namesOf(model.graph.inputs), namesOf(task.inputs));
      assert.deepEqual(namesOf(model.graph.outputs), namesOf(task.outputs));
      const session = await openSession(model);
      try {
        const { name, target, metric } = task.outputs[0]!;
        const slice = judgedBy(SLICES[task.name]!(), target);
        const { value } = await evaluate(session, slice, metricByName(metric, { output: name }), {
          batch: 64,
        });
        const [said] = row[`${name} ${metric}`] as number[];
        assert.ok(Math.abs(value - said!) < MOST_OFF, `${row.title}: ${value}, not ${said}`);
      } finally {
        await session.dispose();
      }
    }
    assert.ok(kept[1]!.row.macs <= kept[0]!.row.macs / 10, 'the light model costs a tenth at most');
  });
}

const namesOf = (ports: readonly { readonly name: string }[]) => ports.map(({ name }) => name).sort();
