import assert from 'node:assert/strict';
import { test } from 'node:test';
import { convNet, mlp, normalData, normals } from '../../../../test/quantize-nets.ts';
import { Random, SILENT } from '../../../base/index.ts';
import { assertValid, cloneModel, encodeModel, type Model, nameNodes, Tensor } from '../../../graph/index.ts';
import { openSession } from '../../../run/index.ts';
import { checkFusion } from '../fusion.ts';
import { STATIC_DEFAULTS, type StaticOptions, staticQuantization } from '../static.ts';
import { WEIGHT_ONLY_DEFAULTS, weightOnlyQuantization } from '../weight-only.ts';
import { isFakeQuantize } from './fake-quantize.ts';
import { learnableBlocks } from './learnable-blocks.ts';
import { learnableQdq } from './learnable-qdq.ts';

const IMAGE = [3, 16, 16];
const ROW = [32];
const NONE = () => [];

function named(model: Model): Model {
  const copy = cloneModel(model);
  nameNodes(copy.graph);
  return copy;
}

async function answers(model: Model, x: Tensor): Promise<number[]> {
  const session = await openSession(model, { threads: 1 });
  try {
    return Object.values(await session.run({ x })).flatMap((tensor) => tensor.numbers());
  } finally {
    await session.dispose();
  }
}

async function quantized(float: Model, sample: number[], options: Partial<StaticOptions> = {}) {
  const calibration = normalData(sample, 64);
  const context = { progress: SILENT, seed: 1, calibration };
  return (await staticQuantization.apply(float, { ...STATIC_DEFAULTS, ...options }, context)).model;
}

/** The largest difference in shares of the largest answer. */
function apart(a: readonly number[], b: readonly number[]): number {
  const most = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / most;
}

const CASES = [
  ...[1, 2, 3, 4].map((seed) => ({
    what: `conv net ${seed}`,
    float: () => convNet(seed, seed % 2 === 0),
    sample: IMAGE,
  })),
  ...[1, 2].map((seed) => ({ what: `mlp ${seed}`, float: () => mlp(seed), sample: ROW })),
];
for (const { what, float: make, sample } of CASES) {
  for (const options of [
    {},
    { weightBits: 4, weightFit: 'mse' },
    { reduceRange: true, activations: 'int8' },
  ] as const) {
    test(`${what} ${JSON.stringify(options)}: the float view answers as the integers do, and gives them back`, async () => {
      const float = named(make());
      const before = await quantized(float, sample, options);
      const bytes = encodeModel(before);
      const bits = 'weightBits' in options ? 4 : 8;
      const view = learnableQdq(before, float, { bits, reduce: 'reduceRange' in options, learned: NONE });
      assertValid(view.model);
      assert.ok(view.model.graph.nodes.some(isFakeQuantize));
      assert.ok(
        !view.model.graph.nodes.some(({ op }) => op.endsWith('QuantizeLinear') || op === 'DequantizeLinear'),
      );
      for (const name of view.weights) assert.ok(view.model.graph.initializers.has(name), name);
      const x = normals(new Random(7), [8, ...sample]);
      const [integer, played] = [await answers(before, x), await answers(view.model, x)];
      assert.ok(apart(played, integer) < 0.02, `${apart(played, integer)}`);
      const back = view.quantized(new Map());
      // A scale that went through its logarithm is another in the last bit.
      assert.ok(apart(await answers(back, x), integer) < 0.01, 'what was not learned is as it was');
      const shape = ({ graph }: Model) => graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs]);
      assert.deepEqual(shape(back), shape(before), 'the nodes are the same');
      assert.ok(Buffer.from(encodeModel(before)).equals(Buffer.from(bytes)), 'the input is left alone');
    });
  }
}

test('what is learned arrives in the integers: scales, weights and biases', async () => {
  const float = named(convNet(3, false));
  const before = await quantized(float, IMAGE, { weightBits: 4 });
  const view = learnableQdq(before, float, { bits: 4, reduce: false, learned: NONE });
  const random = new Random(5);
  const learned = new Map(
    view.weights.map((name) => {
      const tensor = view.model.graph.initializers.get(name)!;
      const moved = tensor
        .as('float32')
        .map((value) => value + 0.1 * random.normal() * (Math.abs(value) + 0.01));
      return [name, Tensor.float32(tensor.dims, moved)];
    }),
  );
  const changed = cloneModel(view.model);
  for (const [name, tensor] of learned) changed.graph.initializers.set(name, tensor);
  const after = view.quantized(learned);
  assertValid(after);
  // Pairs around what only moves numbers keep one scale: else it would not fuse.
  for (const { name, status } of (await checkFusion(after)).nodes) assert.equal(status, 'fused', name);
  const x = normals(random, [8, ...IMAGE]);
  const [integer, played] = [await answers(after, x), await answers(changed, x)];
  assert.ok(apart(played, integer) < 0.03, `${apart(played, integer)}`);
  assert.ok(apart(await answers(before, x), integer) > 0.05, 'it is another model than before');
  for (const [name, tensor] of after.graph.initializers) {
    if (!name.includes('_q') || tensor.dtype !== 'int8' || tensor.dims.length < 2) continue;
    assert.ok(
      tensor.numbers().every((value) => Math.abs(value) <= 7),
      name,
    );
  }
});

for (const [bits, blockSize] of [
  [4, 16],
  [4, 32],
  [8, 16],
] as const) {
  test(`weights alone, ${bits} bits in blocks of ${blockSize}: view and integers`, async () => {
    const float = named(mlp(3));
    const options = { ...WEIGHT_ONLY_DEFAULTS, bits, blockSize, least: 1, accuracyLevel: 1 } as const;
    const before = (await weightOnlyQuantization.apply(float, options, { progress: SILENT, seed: 0 })).model;
    const view = learnableBlocks(before, float, { learned: NONE });
    assertValid(view.model);
    assert.equal(view.model.graph.nodes.filter(isFakeQuantize).length > 0, true);
    const x = normals(new Random(7), [8, ...ROW]);
    const integer = await answers(before, x);
    assert.ok(apart(await answers(view.model, x), integer) < 1e-4);
    assert.ok(apart(await answers(view.quantized(new Map()), x), integer) < 1e-5);
    const [weight] = view.weights;
    const tensor = view.model.graph.initializers.get(weight!)!;
    const learned = new Map([
      [
        weight!,
        Tensor.float32(
          tensor.dims,
          tensor.as('float32').map((w) => 0.5 * w),
        ),
      ],
    ]);
    const changed = cloneModel(view.model);
    changed.graph.initializers.set(weight!, learned.get(weight!)!);
    const after = await answers(view.quantized(learned), x);
    assert.ok(apart(await answers(changed, x), after) < 1e-4);
    assert.ok(apart(integer, after) > 0.05);
  });
}
