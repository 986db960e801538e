import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, Net, normals } from '../../test/quantize-nets.ts';
import { ModicumError, Random } from '../base/index.ts';
import { bind, type Dataset, inMemory } from '../data/index.ts';
import { encodeModel, type Model, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { type MixLayer, mixLayers } from '../transform/index.ts';
import { rateLayers } from './choices.ts';
import type { LayerSensitivity } from './index.ts';
import { mixPrecision } from './mix.ts';
import type { MixOptions } from './options.ts';
import { ownersOf } from './owners.ts';
import { pickAssignments } from './pick.ts';
import { uniformVariant, type Variant } from './variant.ts';

const FAST = { cache: false, seconds: 0.3, candidates: 6, samples: 64 } as const;

/** Samples that the model itself labels by its largest output: as given it is right about all. */
async function labelled(model: Model, dims: readonly number[], samples: number): Promise<Dataset> {
  const x = normals(new Random(11), [samples, ...dims]);
  const plain = inMemory({ x });
  const session = await openSession(model, { threads: 1 });
  const labels: number[] = [];
  try {
    for await (const { feeds } of bind(plain, session.inputs, { batch: 32 })) {
      const scores = Object.values(await session.run(feeds))[0]!;
      const values = scores.as('float32');
      const width = scores.dims.at(-1)!;
      for (let at = 0; at < values.length; at += width) {
        const row = [...values.subarray(at, at + width)];
        labels.push(row.indexOf(Math.max(...row)));
      }
    }
  } finally {
    await session.dispose();
  }
  return inMemory({ x }, Tensor.int64([samples], labels));
}

/** The first layer is fragile: two large inputs cancel, so that their rounding is all that is left. */
function fragile(): Model {
  const net = new Net(8);
  const weights = normals(new Random(5), [16, 64], 0.3).as('float32').slice();
  for (let column = 0; column < 64; column++) {
    weights[column] = 300;
    weights[8 * 64 + column] = -300;
  }
  const a = net.op('MatMul', [
    net.op('Concat', ['x', 'x'], { axis: { type: 'int', value: 1 } }),
    net.constant(Tensor.float32([16, 64], weights)),
  ]);
  const b = net.relu(net.gemm(a, 64, 64));
  const c = net.relu(net.gemm(b, 64, 64));
  return net.model(['N', 8], [net.gemm(c, 64, 8)]);
}

test('a small net end to end: every promise of the result holds', async () => {
  const model = mlp();
  const before = encodeModel(model);
  const data = await labelled(model, [32], 600);
  const options: MixOptions = { ...FAST, metric: 'top1', maxDrop: 5 };
  const result = await mixPrecision(model, data, options);
  assert.ok(Buffer.compare(before, encodeModel(model)) === 0, 'the input was changed');
  assert.ok(result.heldOut.drop.interval.high <= 5 || result.verdict === 'fp32');
  assert.equal(result.chosen.heldOut, result.heldOut);
  assert.equal(result.baseline.value, 100);
  assert.equal(result.layers.length, 3);
  for (const { choices } of result.layers) assert.equal(choices[0]!.precision, 'fp32');
  assert.ok(result.variants.some(({ precision }) => precision === 'int4'));
  for (const variant of result.variants) assert.ok(variant.why.length > 0 && variant.drop !== undefined);
  assert.ok(result.rule !== undefined && result.records.length > 4);
  if (result.verdict === 'mixed') assert.equal(result.bestMix!.variant, result.chosen);
  else assert.equal(result.bestUniform, result.chosen);
  await assert.doesNotReject(
    openSession(result.chosen.model, { threads: 1 }).then((session) => session.dispose()),
  );
});

test('for size the fragile layer stays wide and the others become small', async () => {
  const model = fragile();
  const data = await labelled(model, [8], 900);
  const precisions = ['fp32', 'int8'] as const;
  const result = await mixPrecision(model, data, {
    ...FAST,
    metric: 'top1',
    maxDrop: 5,
    precisions,
    minimize: 'size',
  });
  const [first, ...rest] = result.layers.map(({ layer }) => layer.id);
  const uniform = result.variants.find(({ precision }) => precision === 'int8')!;
  assert.ok(uniform.drop!.value > 5, `int8 for all loses ${uniform.drop!.value}`);
  assert.equal(result.verdict, 'mixed', result.why);
  assert.equal(result.chosen.effective[first!], 'fp32');
  assert.ok(rest.every((id) => result.chosen.effective[id] === 'int8'));
  assert.ok(result.chosen.bytes < 0.6 * result.bestUniform.bytes);
  assert.equal(result.bestUniform.precision, 'fp32');
});

test('options that make no sense, and models with nothing to choose, are refused', async () => {
  const data = inMemory({ x: normals(new Random(1), [40, 32]) });
  const refuses = (options: Partial<MixOptions>, code: string) =>
    assert.rejects(mixPrecision(mlp(), data, { ...FAST, metric: 'cosine', ...options }), (thrown) => {
      assert.ok(thrown instanceof ModicumError);
      assert.equal(thrown.code, code);
      return true;
    });
  await refuses({ precisions: ['fp32'] }, 'USAGE_BAD_OPTION');
  await refuses({ precisions: ['int3' as 'int8'] }, 'USAGE_BAD_OPTION');
  await refuses({ maxDrop: -1 }, 'USAGE_BAD_OPTION');
  await refuses({ candidates: 0 }, 'USAGE_BAD_OPTION');
  await refuses({ minimize: 'joy' as 'size' }, 'USAGE_BAD_OPTION');
  await refuses({ metric: 'nonsense' }, 'METRIC_UNKNOWN');
  await refuses({ metric: 'top1' }, 'DATA_NO_LABELS');
  await refuses({ provider: 'coreml' }, 'PROVIDER_UNAVAILABLE');
  const net = new Net(1);
  const light = net.model(['N', 32], [net.relu('x')]);
  await assert.rejects(mixPrecision(light, data, { ...FAST, metric: 'cosine' }), {
    code: 'NOTHING_TO_QUANTIZE',
  });
  const stop = AbortSignal.abort();
  await assert.rejects(mixPrecision(mlp(), data, { ...FAST, metric: 'cosine', signal: stop }), {
    name: 'AbortError',
  });
});

test('light nodes count to the layer that makes their input, at the beginning to the first that reads', () => {
  const model = convNet();
  const layers = mixLayers(model);
  const owners = ownersOf(model, layers);
  const byOp = (op: string) =>
    model.graph.nodes.filter((node) => node.op === op).map(({ name }) => owners.get(name)?.id);
  assert.deepEqual(byOp('MaxPool'), [layers[0]!.id]);
  assert.equal(byOp('GlobalAveragePool')[0], layers[4]!.id);
  assert.equal(owners.get('x')!.id, layers[0]!.id);
  for (const { name } of model.graph.nodes) assert.ok(owners.has(name), name);
});

/** Layers of given harms in int8, all as fast; the loss of a variant is what its harms sum up to, twisted. */
function imagined(
  harms: readonly number[],
  loss: (sum: number, effective: Record<string, string>) => number,
) {
  const layers: MixLayer[] = harms.map((_, i) => ({
    id: `l${i}`,
    nodes: [`l${i}`],
    tail: [],
    op: 'Conv',
    precisions: ['fp32', 'int8'],
    weights: 10,
  }));
  const sensitivities: LayerSensitivity[] = layers.map(({ id, op }, i) => ({
    layer: id,
    op,
    precision: 'int8',
    sqnr: 0,
    kl: 0,
    harm: harms[i]!,
  }));
  const speeds = layers.flatMap(({ id, op }, i) => [
    { layer: id, op, precision: 'fp32' as const, microseconds: 10 + i },
    { layer: id, op, precision: 'int8' as const, microseconds: 5 },
  ]);
  const rated = rateLayers(layers, ['fp32', 'int8'], sensitivities, speeds, 'latency');
  const built: Variant[] = [];
  const build = async (title: string, precisionOf: (layer: MixLayer) => string): Promise<Variant> => {
    let sum = 0;
    const effective: Record<string, 'fp32' | 'int8'> = {};
    for (const [i, layer] of layers.entries()) {
      const precision = precisionOf(layer) === 'int8' ? 'int8' : 'fp32';
      effective[layer.id] = precision;
      if (precision === 'int8') sum += harms[i]!;
    }
    const value = loss(sum, effective);
    const drop = {
      value,
      n: 100,
      differing: 0,
      interval: { low: value, high: value + 0.2, level: 0.95, method: '' },
    };
    const base = await uniformVariant(
      'fp32',
      mlp(),
      [],
      {},
      { progress: { stage: () => ({ advance() {}, end() {} }) } as never, seed: 0 },
    );
    const made: Variant = { ...base, title, effective, drop };
    built.push(made);
    return made;
  };
  return { rated, build, built };
}

test('the search halves along the front, then repairs what is next to it', async () => {
  const { rated, build, built } = imagined([5, 0.1, 3, 0.2, 0.3, 8, 0.05, 1], (sum) => sum);
  const found = await pickAssignments(rated, build, { maxDrop: 1.7, candidates: 20 });
  assert.equal(found.length, built.length);
  const able = found.filter(({ drop }) => drop!.value <= 1.7);
  const most = Math.max(
    ...able.map(({ effective }) => Object.values(effective).filter((one) => one === 'int8').length),
  );
  assert.equal(most, 5, 'the five least harmful fit: 0.1 + 0.2 + 0.3 + 0.05 + 1');
  assert.ok(found.some(({ drop }) => drop!.interval.high <= 1.7));
  assert.ok(found.length <= 14, `${found.length} built`);
  // Where harms tell the loss only roughly, what lies beside the front is found by taking layers back.
  let repaired = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const harms = Array.from({ length: 12 }, () => random.uniform());
    const truth = harms.map((harm) => harm * (0.3 + 1.4 * random.uniform()));
    const loss = (_: number, effective: Record<string, string>) =>
      truth.reduce((sum, harm, i) => (effective[`l${i}`] === 'int8' ? sum + harm : sum), 0);
    const rough = imagined(harms, loss);
    const tried = await pickAssignments(rough.rated, rough.build, { maxDrop: 1.5, candidates: 20 });
    const best = tried.filter(({ drop }) => drop!.value <= 1.5);
    assert.ok(best.length > 0, `seed ${seed}`);
    if (best.some(({ title }) => /repaired/.test(title))) repaired++;
  }
  assert.ok(repaired >= 3, `${repaired} of 20`);
  const few = imagined([5, 0.1, 3, 0.2], (sum) => sum);
  assert.ok((await pickAssignments(few.rated, few.build, { maxDrop: 1, candidates: 2 })).length <= 2);
  const none = imagined([5, 3], () => 9);
  const lost = await pickAssignments(none.rated, none.build, { maxDrop: 1, candidates: 9 });
  assert.ok(lost.length > 0 && lost.every(({ drop }) => drop!.value > 1));
});
