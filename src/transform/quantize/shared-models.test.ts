import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { normals } from '../../../test/quantize-nets.ts';
import { sharedData } from '../../../test/shared-data.ts';
import { Random, SILENT } from '../../base/index.ts';
import { bind, type Dataset, inMemory } from '../../data/index.ts';
import { loadModel } from '../../files/index.ts';
import { type Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { cleanSteps } from '../fold/clean.ts';
import type { PassResult } from '../pass.ts';
import { runPasses } from '../run-passes.ts';
import { Distortion } from './distortion.ts';
import { DYNAMIC_DEFAULTS, dynamicQuantization } from './dynamic.ts';
import { STATIC_DEFAULTS, staticQuantization } from './static.ts';

const QUIET = { progress: SILENT, seed: 1 };

async function cleaned(path: string): Promise<Model> {
  return (await runPasses(await loadModel(path), cleanSteps(), QUIET)).model;
}

/** Distortion of the worst output, and the share of samples with the same largest first output. */
async function compare(a: Model, b: Model, data: Dataset): Promise<{ sqnr: number; agreement: number }> {
  const [x, y] = [await openSession(a), await openSession(b)];
  const sums = new Map(x.outputs.map(({ name }) => [name, new Distortion()]));
  let same = 0;
  let rows = 0;
  try {
    for await (const { feeds } of bind(data, x.inputs, { batch: 16 })) {
      const [wanted, got] = [await x.run(feeds), await y.run(feeds)];
      for (const [name, sum] of sums) sum.add(wanted[name]!, got[name]!);
      const first = x.outputs[0]!.name;
      const width = wanted[first]!.dims.at(-1)!;
      const [p, q] = [wanted[first]!.as('float32'), got[first]!.as('float32')];
      for (let at = 0; at < p.length; at += width) {
        rows++;
        if (largest(p.subarray(at, at + width)) === largest(q.subarray(at, at + width))) same++;
      }
    }
  } finally {
    await Promise.all([x.dispose(), y.dispose()]);
  }
  return { sqnr: Math.min(...[...sums.values()].map((sum) => sum.sqnr)), agreement: same / rows };
}

const largest = (values: Float32Array) => values.indexOf(values.reduce((a, b) => Math.max(a, b)));

function assertAllFused({ fusion }: PassResult): void {
  assert.deepEqual(
    fusion!.nodes.filter(({ status }) => status !== 'fused'),
    [],
  );
}

/** Files of a gzipped tar archive (ustar), as bytes. */
function* untar(path: string): Generator<{ name: string; bytes: Uint8Array }> {
  const all = gunzipSync(readFileSync(path));
  for (let at = 0; at + 512 <= all.length && all[at] !== 0; ) {
    const name = all.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(all.toString('latin1', at + 124, at + 136), 8);
    if (size > 0) yield { name, bytes: all.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

test('MNIST-8, static: all fused, close on drawn strokes', async (t) => {
  const path = sharedData('mnist/mnist-8.onnx');
  if (path === undefined) return t.skip('data absent');
  const random = new Random(1);
  const pixels = new Float32Array(96 * 784);
  for (let i = 0; i < 96; i++) {
    // Thick random walks: about the ink of a digit.
    let [x, y] = [8 + random.below(12), 6 + random.below(6)];
    for (let step = 0; step < 70; step++) {
      for (const [dx, dy] of [
        [0, 0],
        [1, 0],
        [0, 1],
      ] as const)
        pixels[i * 784 + (y + dy) * 28 + x + dx] = 200 + random.below(56);
      x = Math.min(24, Math.max(3, x + random.below(3) - 1));
      y = Math.min(24, Math.max(3, y + random.below(3) - 1));
    }
  }
  const data = inMemory({ Input3: Tensor.float32([96, 1, 28, 28], pixels) });
  const float = await cleaned(path);
  const made = await staticQuantization.apply(float, STATIC_DEFAULTS, { ...QUIET, calibration: data });
  assertAllFused(made);
  assert.equal(made.fusion!.executed.Conv, undefined);
  const { sqnr, agreement } = await compare(float, made.model, data);
  assert.ok(sqnr > 30 && agreement >= 0.97, `${sqnr} dB, ${agreement}`);
});

test('keyword spotter, static: all fused, close on real features', async (t) => {
  const path = sharedData('keywords/alibaba_kws.onnx');
  const archive = sharedData('keywords/kws01-testset.tar.gz');
  if (path === undefined || archive === undefined) return t.skip('data absent');
  const samples: Float32Array[] = [];
  for (const { name, bytes } of untar(archive)) {
    if (!name.endsWith('.bin')) continue;
    // The files hold [10 coefficients, 49 frames], about 0.4 a step; the model takes frames first.
    const q = new Int8Array(bytes);
    samples.push(Float32Array.from({ length: 490 }, (_, i) => q[(i % 10) * 49 + Math.floor(i / 10)]! * 0.4));
  }
  const stacked = (from: number, to: number) => {
    const part = samples.slice(from, to);
    const all = new Float32Array(part.length * 490);
    part.forEach((sample, i) => {
      all.set(sample, i * 490);
    });
    return inMemory({ 'x:0': Tensor.float32([part.length, 49, 10, 1], all) });
  };
  const float = await cleaned(path);
  const made = await staticQuantization.apply(float, STATIC_DEFAULTS, {
    ...QUIET,
    calibration: stacked(0, 200),
  });
  assertAllFused(made);
  const { sqnr, agreement } = await compare(float, made.model, stacked(200, 600));
  assert.ok(sqnr > 25 && agreement >= 0.95, `${sqnr} dB, ${agreement}`);
});

test('UltraFace, static: no float Conv left, close', async (t) => {
  const path = sharedData('ultraface/version-RFB-320.onnx');
  if (path === undefined) return t.skip('data absent');
  const data = inMemory({ input: smooth(8, [3, 240, 320]) });
  const float = await cleaned(path);
  const made = await staticQuantization.apply(float, STATIC_DEFAULTS, { ...QUIET, calibration: data });
  assertAllFused(made);
  assert.equal(made.fusion!.executed.Conv ?? 0, 0);
  const { sqnr } = await compare(float, made.model, data);
  assert.ok(sqnr > 18, `${sqnr} dB`);
});

/** Samples that change slowly from place to place, as photos do, in [-1, 1]. */
function smooth(samples: number, [channels, height, width]: readonly [number, number, number]): Tensor {
  const random = new Random(4);
  const values = new Float32Array(samples * channels * height * width);
  let at = 0;
  for (let i = 0; i < samples * channels; i++) {
    const [a, b, c, d] = [0, 1, 2, 3].map(() => random.uniform() * 0.2) as [number, number, number, number];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++)
        values[at++] = 0.6 * Math.sin(a * x + b * y) + 0.4 * Math.cos(c * x - d * y);
    }
  }
  return Tensor.float32([samples, channels, height, width], values);
}

test('Magika, static and dynamic: all fused, the same answers', async (t) => {
  const path = sharedData('magika/model/model.onnx');
  if (path === undefined) return t.skip('data absent');
  const random = new Random(2);
  const bytes = Int32Array.from({ length: 48 * 2048 }, (_, i) =>
    i % 2048 < 1500 ? 32 + random.below(90) : 256,
  );
  const data = inMemory({ bytes: Tensor.of('int32', [48, 2048], bytes) });
  const float = await cleaned(path);
  for (const made of [
    await staticQuantization.apply(float, STATIC_DEFAULTS, { ...QUIET, calibration: data }),
    await dynamicQuantization.apply(float, DYNAMIC_DEFAULTS, QUIET),
  ]) {
    assertAllFused(made);
    const { sqnr, agreement } = await compare(float, made.model, data);
    assert.ok(sqnr > 25 && agreement >= 0.95, `${sqnr} dB, ${agreement}`);
  }
});

test('Silero VAD, dynamic: products inside of its If fuse, and the state stays close', async (t) => {
  const path = sharedData('silero-vad/silero_vad_op18_ifless.onnx');
  if (path === undefined) return t.skip('data absent');
  const float = await loadModel(path);
  const made = await dynamicQuantization.apply(float, DYNAMIC_DEFAULTS, QUIET);
  assertAllFused(made);
  assert.equal(made.fusion!.executed.DynamicQuantizeMatMul, 4, 'two in each branch');
  const [a, b] = [await openSession(float), await openSession(made.model)];
  try {
    const random = new Random(3);
    let [stateA, stateB] = [
      Tensor.float32([2, 1, 128], new Float32Array(256)),
      Tensor.float32([2, 1, 128], new Float32Array(256)),
    ];
    const state = new Distortion();
    for (let chunk = 0; chunk < 20; chunk++) {
      const input = normals(random, [1, 576], 0.1);
      const sr = Tensor.int64([], [16000]);
      const [x, y] = [await a.run({ input, state: stateA, sr }), await b.run({ input, state: stateB, sr })];
      state.add(x.stateN!, y.stateN!);
      [stateA, stateB] = [x.stateN!, y.stateN!];
      assert.ok(Math.abs(x.output!.numbers()[0]! - y.output!.numbers()[0]!) < 0.05);
    }
    assert.ok(state.sqnr > 20, `${state.sqnr} dB after 20 steps`);
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
});
