import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import { inMemory } from '../../src/data/index.ts';
import { type Model, Tensor } from '../../src/graph/index.ts';
import { randomFeeds } from '../../src/measure/index.ts';
import { mixPrecision } from '../../src/mix/index.ts';
import { openSession, probeProviders, profileNodes } from '../../src/run/index.ts';
import { type ArchitectureName, architectureByName, type Task } from '../../src/train/index.ts';
import { HALF_DEFAULTS, halfPrecision } from '../../src/transform/index.ts';

/** A GPU in software that Debian's Chromium brings: slow, but the provider is the real one. */
const SOFTWARE = '/usr/lib/chromium/vk_swiftshader_icd.json';

async function started() {
  const probe = async () =>
    (await probeProviders({ providers: ['webgpu'], timeoutMilliseconds: 60_000 }))[0]!;
  const own = await probe();
  if (own.available || process.env.VK_DRIVER_FILES !== undefined || !existsSync(SOFTWARE)) return own;
  process.env.VK_DRIVER_FILES = SOFTWARE;
  return probe();
}

const report = await started();
const skip = report.available ? false : `webgpu does not start here: ${report.reason}`;
const DIMS = { 'residual-cnn': [3, 8, 8], transformer: [8, 6], mlp: [12] } as const;

function modelOf(name: ArchitectureName & keyof typeof DIMS): Model {
  const task: Task = {
    inputs: [{ name: 'x', dtype: 'float32', shape: [null, ...DIMS[name]] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [null, 4], kind: 'classes' }],
  };
  return architectureByName(name).build(task, {}, new Random(7));
}

async function answer(model: Model, provider: 'cpu' | 'webgpu'): Promise<readonly number[]> {
  const session = await openSession(model, { provider, threads: 1 });
  try {
    const { y } = await session.run(randomFeeds(session.inputs, { batch: 3 }));
    return [...y!.numbers()].map(Number);
  } finally {
    await session.dispose();
  }
}

function near(found: readonly number[], wanted: readonly number[], within: number): void {
  const largest = Math.max(...wanted.map(Math.abs));
  assert.equal(found.length, wanted.length);
  for (const [i, value] of wanted.entries()) {
    assert.ok(Math.abs(found[i]! - value) <= within * largest, `${found[i]} where ${value} is right`);
  }
}

for (const name of Object.keys(DIMS) as (keyof typeof DIMS)[]) {
  test(`webgpu answers as the cpu does: ${name}`, { skip }, async () => {
    const model = modelOf(name);
    const wanted = await answer(model, 'cpu');
    near(await answer(model, 'webgpu'), wanted, 1e-4);
    const half = (await halfPrecision.apply(model, HALF_DEFAULTS, { progress: SILENT, seed: 0 })).model;
    near(await answer(half, 'cpu'), wanted, 0.02);
    if (report.float16) near(await answer(half, 'webgpu'), wanted, 0.02);
    else {
      // While it loads or when it first runs, as the operators are; never as if the provider did not start.
      await assert.rejects(answer(half, 'webgpu'), (error: { code?: string; message: string }) => {
        assert.match(error.code ?? '', /^RUNTIME_(REFUSED|FAILED)$/);
        assert.match(error.message, /the GPU under webgpu does not compute in float16/);
        return true;
      });
    }
  });
}

test('times of nodes are those of the GPU', { skip }, async () => {
  const model = modelOf('mlp');
  const session = await openSession(model, { threads: 1 });
  await session.dispose();
  const feeds = randomFeeds(session.inputs, { batch: 256 });
  const times = await profileNodes(model, feeds, { provider: 'webgpu' }, { runs: 10 });
  const gemms = times.filter(({ op }) => op === 'Gemm');
  assert.ok(gemms.length > 1, JSON.stringify(times));
  for (const { provider, microseconds } of gemms) {
    assert.equal(provider, 'WebGpuExecutionProvider');
    assert.ok(microseconds > 0);
  }
});

test('a mix on webgpu runs there, with float16 where the GPU has it', { skip }, async () => {
  const random = new Random(3);
  const x = Tensor.float32(
    [160, 12],
    Float32Array.from({ length: 160 * 12 }, () => random.normal()),
  );
  const result = await mixPrecision(modelOf('mlp'), inMemory({ x }, undefined, { name: 'noise' }), {
    metric: 'cosine',
    maxDrop: 0.05,
    precisions: ['fp32', 'fp16', 'int4'],
    provider: 'webgpu',
    threads: 1,
    seconds: 0.3,
    samples: 16,
    candidates: 1,
    cache: false,
  });
  const without = result.unavailable.filter(({ precision }) => precision === 'fp16');
  assert.equal(without.length, report.float16 ? 0 : 1);
  for (const { why } of without) assert.equal(why, 'the GPU under webgpu does not compute in float16');
});
