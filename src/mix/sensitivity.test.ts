import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { convNet, mlp, Net, normalData, normals } from '../../test/quantize-nets.ts';
import { Random, SILENT } from '../base/index.ts';
import { bind } from '../data/index.ts';
import { assertValid, attr, inferShapes, type Model, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { Distortion, MIXED_DEFAULTS, mixedPrecision, mixLayers } from '../transform/index.ts';
import { measureSensitivity } from './sensitivity.ts';
import { suffixOf } from './suffix.ts';

/** A layer that matters and one whose sum hardly does. */
function lopsided(): Model {
  const net = new Net(3);
  const a = net.relu(net.gemm('x', 32, 32));
  const b = net.op('Mul', [net.gemm(a, 32, 32), net.constant(Tensor.float32([], [1e-4]))]);
  return net.model(['N', 32], [net.op('Add', [a, b])]);
}

test('the layer whose rounding hurts comes out as such, alone and by its absence', async () => {
  const model = lopsided();
  const data = normalData([32], 96);
  const ids = mixLayers(model).map(({ id }) => id);
  const alone = await measureSensitivity(model, data, { cache: false });
  assert.deepEqual(
    alone.map(({ layer, precision }) => [layer, precision]),
    ids.map((id) => [id, 'int8']),
  );
  assert.ok(alone[0]!.sqnr < alone[1]!.sqnr - 20 && alone[0]!.harm > 100 * alone[1]!.harm);
  const rest = await measureSensitivity(model, data, { mode: 'all-but', cache: false });
  assert.ok(rest[0]!.harm < rest[1]!.harm / 100, 'without the worst, the rest does best');
});

test('only what a layer can reach is run, and shows the same as the whole model', async () => {
  const model = convNet();
  const data = normalData([3, 16, 16], 48);
  const found = await measureSensitivity(model, data, {
    precisions: ['int8', 'fp16'],
    samples: 48,
    cache: false,
  });
  const { length } = mixLayers(model);
  assert.equal(found.length, 2 * length);
  for (const { layer, precision, harm } of found.filter((_, i) => i % 3 === 0)) {
    const whole = await mixedPrecision.apply(
      model,
      { ...MIXED_DEFAULTS, assignment: { [layer]: precision }, check: false },
      { progress: SILENT, seed: 1, calibration: data },
    );
    const wanted = await noise(model, whole.model, data);
    assert.ok(Math.abs(harm - wanted) < 0.1 * wanted + 1e-9, `${layer} ${precision}: ${harm}, not ${wanted}`);
  }
  const by = (precision: string) => found.filter((one) => one.precision === precision);
  for (const [i, { harm }] of by('fp16').entries()) assert.ok(harm > 0 && harm < by('int8')[i]!.harm);
});

async function noise(one: Model, other: Model, data: ReturnType<typeof normalData>): Promise<number> {
  const [a, b] = [await openSession(one, { threads: 1 }), await openSession(other, { threads: 1 })];
  const sum = new Distortion();
  try {
    for await (const { feeds } of bind(data, a.inputs, { batch: 16 })) {
      const [wanted, got] = [await a.run(feeds), await b.run(feeds)];
      for (const name of Object.keys(wanted)) sum.add(wanted[name]!, got[name]!);
    }
    return sum.noise;
  } finally {
    await Promise.all([a.dispose(), b.dispose()]);
  }
}

test('what cannot be had is infinitely harmful and says why; fp32 harms nothing', async () => {
  const precisions = ['fp32', 'int8', 'int4', 'fp16'] as const;
  const found = await measureSensitivity(mlp(), normalData([32], 32), { precisions, by: 'kl', cache: false });
  const last = found.filter(({ layer }) => layer === found.at(-1)!.layer);
  assert.deepEqual(
    last.map(({ harm }) => Number.isFinite(harm)),
    [true, true, false, true],
  );
  assert.match(last[2]!.why!, /no int4 for this Gemm/);
  assert.equal(last[0]!.harm, 0);
  for (const { harm, kl, precision } of found) {
    if (Number.isFinite(harm) && precision !== 'fp32')
      assert.ok(harm > kl && harm < 1.2 * kl + 1e-3, `${precision}: ${harm}, ${kl}`);
  }
  // 4 bits hurt more than 8, and 8 more than 16.
  const [, int8, int4, fp16] = found;
  assert.ok(int4!.harm > int8!.harm && int8!.harm > fp16!.harm);
});

test('kept on the disk by model, data and settings; a damaged file is measured anew', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'modicum-kept-'));
  try {
    const [model, data] = [mlp(), normalData([32], 32)];
    const first = await measureSensitivity(model, data, { cache, precisions: ['int8', 'int4'] });
    const started = performance.now();
    const second = await measureSensitivity(mlp(), data, { cache, precisions: ['int8', 'int4'] });
    const quick = performance.now() - started;
    assert.deepEqual(second, first);
    assert.ok(quick < 200, `${quick} ms: read, not measured`);
    assert.equal((await readdir(cache)).length, 1);
    await measureSensitivity(mlp(2), data, { cache });
    await measureSensitivity(model, data, { cache, samples: 16 });
    const files = await readdir(cache);
    assert.equal(files.length, 3);
    for (const file of files) await writeFile(join(cache, file), '[{"layer": 3}]');
    assert.deepEqual(await measureSensitivity(model, data, { cache, precisions: ['int8', 'int4'] }), first);
  } finally {
    await rm(cache, { recursive: true });
  }
});

test('a suffix holds what its nodes reach, and takes what others make', () => {
  const net = new Net(1);
  const a = net.relu(net.matmul('x', 8, 8));
  const b = net.matmul(a, 8, 8);
  const c = net.op('Add', [b, a]);
  const side = net.matmul('x', 8, 3);
  const d = net.op('Concat', [c, side], { axis: attr.int(1) });
  const model = net.model(['N', 8], [d, side, a]);
  const types = inferShapes(model);
  const known = {
    shape: (name: string) => types.get(name)?.shape,
    dtype: (name: string) => types.get(name)?.dtype,
  };
  const middle = model.graph.nodes.find(({ outputs }) => outputs[0] === b)!.name;
  const suffix = suffixOf(model, [middle], known)!;
  assert.deepEqual([suffix.inputs.toSorted(), suffix.outputs], [[a, side].toSorted(), [d]]);
  assert.equal(suffix.model.graph.nodes.length, 3);
  assertValid(suffix.model);
  assert.equal(suffixOf(model, [middle], { shape: () => undefined, dtype: () => undefined }), undefined);
});

test('rows that are distributions are compared as such, without another softmax', () => {
  const sum = new Distortion();
  sum.add(Tensor.float32([1, 2], [0.5, 0.5]), Tensor.float32([1, 2], [0.9, 0.1]));
  assert.ok(Math.abs(sum.kl - (0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1))) < 1e-6);
  const logits = new Distortion();
  logits.add(Tensor.float32([1, 2], [0, 0]), Tensor.float32([1, 2], [Math.log(9), 0]));
  assert.ok(Math.abs(logits.kl - sum.kl) < 1e-6);
  const spoiled = new Distortion();
  spoiled.add(normals(new Random(1), [1, 2]), Tensor.float32([1, 2], [Number.NaN, 0]));
  assert.equal(spoiled.kl, Number.POSITIVE_INFINITY);
  assert.equal(spoiled.noise, Number.POSITIVE_INFINITY);
});
