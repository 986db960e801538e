import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cached } from '../../examples/cached.ts';
import { asFloats, judgedBy } from '../../examples/task.ts';
import { TASKS } from '../../examples/tasks.ts';
import { type Dataset, inMemory, planBatch } from '../../src/data/index.ts';
import { sizeOf, Tensor } from '../../src/graph/index.ts';
import { METRICS } from '../../src/measure/index.ts';

for (const task of TASKS) {
  test(`${task.name}: the description fits the data`, async () => {
    const samples = 48;
    const dataset = await task.train(9, samples);
    assert.equal(dataset.size, samples);
    const ports = task.inputs.map(({ name, dtype, dims }) => ({ name, dtype, shape: ['batch', ...dims] }));
    const plan = planBatch(dataset, ports, 16);
    assert.deepEqual(
      plan.notes.filter((note) => /left out/.test(note)),
      [],
    );
    for await (const { feeds, labels } of dataset.read({ batch: samples })) {
      for (const { name, kind, categories, dims } of task.inputs) {
        const values = feeds[name]!.numbers();
        assert.equal(values.length, samples * sizeOf(dims), name);
        assert.ok(values.every(Number.isFinite), name);
        assert.equal(kind === 'category', categories !== undefined);
        if (categories)
          assert.ok(
            values.every((value) => value >= 0 && value < categories),
            name,
          );
      }
      for (const { target, loss, dims, metric, classes } of task.outputs) {
        const wanted = (target === 'labels' ? labels! : feeds[target]!).numbers();
        assert.equal(wanted.length, loss === 'mse' ? samples * sizeOf(dims) : samples);
        const count = loss === 'cross-entropy' ? dims[0]! : loss === 'binary-cross-entropy' ? 2 : undefined;
        if (count) assert.ok(wanted.every((value) => Number.isInteger(value) && value >= 0 && value < count));
        if (classes) assert.deepEqual(dataset.labels!.classes, classes);
        assert.ok(metric in METRICS);
      }
    }
    const judged = judgedBy(dataset, task.outputs.at(-1)!.target);
    for await (const { feeds, labels } of judged.read({ batch: samples })) {
      assert.deepEqual(
        Object.keys(feeds),
        judged.fields.map(({ name }) => name),
      );
      assert.equal(labels!.dims[0], samples);
    }
  });
}

/** Samples counted from `from`. */
const counting = (from: number) => (samples: number) => {
  const values = Uint8Array.from({ length: samples }, (_, i) => from + i);
  const fields = { image: Tensor.of('uint8', [samples, 1], values) };
  return inMemory(
    fields,
    Tensor.of(
      'int32',
      [samples],
      Int32Array.from(values, (v) => v % 2),
    ),
    {
      name: 'counts',
      classes: ['even', 'odd'],
    },
  );
};

async function values(dataset: Dataset, field: string): Promise<number[]> {
  const all: number[] = [];
  for await (const { feeds } of dataset.read({ batch: 100 })) all.push(...feeds[field]!.numbers());
  return all;
}

test('cached data are made once, and again when the generator has changed or the number', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'modicum-cached-'));
  try {
    const made: number[] = [];
    const make = (from: number) => (samples: number) => {
      made.push(samples);
      return counting(from)(samples);
    };
    const first = await cached('counts', 1200, make(3), folder);
    const again = await cached('counts', 1200, make(3), folder);
    assert.deepEqual(made, [24, 1200, 24]);
    assert.deepEqual(await values(again, 'image'), await values(first, 'image'));
    assert.deepEqual(await values(first, 'image'), await values(counting(3)(1200), 'image'));
    assert.deepEqual([again.name, again.labels!.classes], ['counts', ['even', 'odd']]);
    const changed = await cached('counts', 1200, make(4), folder);
    assert.equal((await values(changed, 'image'))[0], 4);
    assert.equal((await cached('counts', 1300, make(4), folder)).size, 1300);
    writeFileSync(join(folder, 'counts.npz'), 'cut off');
    assert.equal((await cached('counts', 1300, make(4), folder)).size, 1300);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('bytes become floats, of the field that is named', async () => {
  const floats = asFloats(counting(0)(256), 'image', 1 / 255);
  assert.equal(floats.fields[0]!.dtype, 'float32');
  const all = await values(floats, 'image');
  assert.deepEqual([all[0], all[255]], [0, 1]);
  for await (const { feeds } of floats.read({ fields: [] })) assert.deepEqual(Object.keys(feeds), []);
  assert.throws(() => judgedBy(floats, 'nothing'), /no field nothing/);
});
