import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedData } from '../../test/shared-data.ts';
import { DIRECTIONS, gratings } from '../../test/train/gratings.ts';
import { Random } from '../base/index.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import { loadModel } from '../files/index.ts';
import { type Model, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { openStaged, type StagedModel } from '../staged/index.ts';
import { architectureByName, train } from '../train/index.ts';
import { type ExitsResult, exits } from './exits.ts';
import { record } from './recorded.ts';

const SETTINGS = { threads: 1 } as const;

/** The stages with nobody leaving, against the whole model, on samples: the largest difference of an output. */
async function difference({ staged, whole }: ExitsResult, data: Dataset): Promise<number> {
  const nobody: StagedModel = {
    ...staged,
    stages: staged.stages.map((stage) =>
      stage.exit === undefined
        ? stage
        : { ...stage, exit: { ...stage.exit, threshold: Number.POSITIVE_INFINITY } },
    ),
  };
  const [pieces, full] = [await openStaged(nobody, SETTINGS), await openSession(whole, SETTINGS)];
  try {
    const names = staged.outputs.map(({ name }) => name);
    const [ours, theirs] = [await record(pieces, data, names), await record(full, data, names)];
    let most = 0;
    for (const name of names) {
      const [a, b] = [ours.values.get(name)!, theirs.values.get(name)!];
      const scale = b.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9);
      for (const [i, value] of a.entries()) most = Math.max(most, Math.abs(value - b[i]!) / scale);
    }
    return most;
  } finally {
    await Promise.all([pieces.dispose(), full.dispose()]);
  }
}

function assertSound({ report, staged }: ExitsResult): void {
  const { exits: rows, certificate, test: figures } = report;
  assert.equal(rows.length, staged.stages.length);
  assert.ok(Math.abs(rows.reduce((sum, { leaves }) => sum + leaves.value, 0) - 1) < 1e-9);
  for (const [i, { macs }] of rows.entries()) assert.ok(i === 0 || macs > rows[i - 1]!.macs);
  assert.ok(figures.macs > 0 && figures.macs <= rows.at(-1)!.macs);
  assert.equal(staged.stages.at(-1)!.exit, undefined);
  assert.ok(certificate.n > 0 && certificate.tested >= 1);
}

test('a residual net keeps its batch normalizations, bit by bit, and its easy pictures leave', async () => {
  const task = {
    inputs: [{ name: 'x', dtype: 'float32' as const, shape: ['N', 1, 12, 12] }],
    outputs: [{ name: 'y', dtype: 'float32' as const, shape: ['N', DIRECTIONS], kind: 'classes' as const }],
  };
  const net = architectureByName('residual-cnn').build(task, { width: 0.5, depth: 0.5 }, new Random(1));
  const { model } = await train(net, gratings(1500, 1), {
    epochs: 4,
    rate: 5e-3,
    seed: 1,
    settings: SETTINGS,
  });
  const result = await exits(model, {
    data: gratings(1600, 2),
    trainingData: gratings(1500, 1),
    training: { epochs: 8 },
    maxDrop: 3,
    settings: SETTINGS,
  });
  assertSound(result);
  assert.ok(result.model.graph.nodes.some(({ op }) => op === 'BatchNormalization'));
  for (const [name, tensor] of model.graph.initializers) {
    const kept = result.model.graph.initializers.get(name);
    if (kept !== undefined) assert.deepEqual(kept.bytes(), tensor.bytes(), name);
  }
  assert.ok((await difference(result, gratings(60, 3))) < 1e-5);
  assert.equal(result.report.certificate.outcome, 'certified');
  assert.ok(result.report.test.macsShare < 1, `${result.report.test.macsShare}`);
});

/** Twelve tokens of twenty; the class is that of the token that comes most often among the first three. */
function sentences(samples: number, seed: number): Dataset {
  const random = new Random(seed);
  const ids: number[] = [];
  const labels: number[] = [];
  for (let i = 0; i < samples; i++) {
    const own = Array.from({ length: 12 }, () => random.below(20));
    const counts = [0, 1, 2].map((token) => own.filter((id) => id === token).length);
    const label = counts.indexOf(Math.max(...counts));
    ids.push(...own);
    labels.push(label);
  }
  return inMemory({ ids: Tensor.int64([samples, 12], ids) }, Tensor.int64([samples], labels));
}

test('an encoder of token ids leaves between its layers', async () => {
  const task = {
    inputs: [{ name: 'ids', dtype: 'int64' as const, shape: ['N', 12], vocabulary: 20 }],
    outputs: [{ name: 'y', dtype: 'float32' as const, shape: ['N', 3], kind: 'classes' as const }],
  };
  const options: Readonly<Record<string, unknown>> = {
    width: 0.25,
    channels: 64,
    layers: 2,
    probabilities: true,
  };
  const net = architectureByName('transformer').build(task, options, new Random(1));
  const { model } = await train(net, sentences(2000, 1), {
    epochs: 4,
    rate: 3e-3,
    seed: 1,
    settings: SETTINGS,
  });
  const result = await exits(model, {
    data: sentences(1600, 2),
    trainingData: sentences(2000, 1),
    training: { epochs: 8 },
    maxDrop: 4,
    settings: SETTINGS,
  });
  assertSound(result);
  assert.equal(result.report.certificate.outcome, 'certified');
  assert.ok(result.report.test.macsShare < 0.9, `${result.report.test.macsShare}`);
  assert.ok((await difference(result, sentences(50, 3))) < 1e-5);
});

const MNIST = sharedData('mnist/mnist-8.onnx');

test('MNIST-8: a fixed batch is freed, scores in the thousands are calibrated', {
  skip: MNIST === undefined && 'data absent',
}, async () => {
  const model: Model = await loadModel(MNIST!);
  const result = await exits(model, {
    data: strokes(1600, 2),
    trainingData: strokes(1500, 1),
    training: { epochs: 8 },
    maxDrop: 5,
    settings: SETTINGS,
  });
  assertSound(result);
  assert.equal(result.report.labelled, false);
  assert.equal(result.staged.inputs[0]!.shape?.[0], 'batch');
  assert.ok((await difference(result, strokes(40, 3))) < 1e-4);
});

/** Pictures [1, 28, 28] of a few thick strokes, without labels: what the model makes of them is all that counts. */
function strokes(samples: number, seed: number): Dataset {
  const random = new Random(seed);
  const pixels = new Float32Array(samples * 784);
  for (let i = 0; i < samples; i++) {
    for (let stroke = 0; stroke < 3; stroke++) {
      let [x, y] = [8 + random.below(12), 6 + random.below(8)];
      const [dx, dy] = [random.normal() * 0.7, Math.abs(random.normal()) * 0.8 + 0.2];
      for (let step = 0; step < 16; step++) {
        x += dx + 0.4 * random.normal();
        y += dy;
        for (const [ox, oy] of [
          [0, 0],
          [1, 0],
          [0, 1],
          [1, 1],
        ] as const) {
          const [px, py] = [Math.round(x) + ox, Math.round(y) + oy];
          if (px >= 0 && px < 28 && py >= 0 && py < 28) pixels[i * 784 + py * 28 + px] = 255;
        }
      }
    }
  }
  return inMemory({ Input3: Tensor.float32([samples, 1, 28, 28], pixels) });
}
