import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Net, normals, sqnr } from '../../../test/quantize-nets.ts';
import { type ModicumError, Random, SILENT } from '../../base/index.ts';
import { type Dataset, inMemory } from '../../data/index.ts';
import {
  cloneModel,
  encodeModel,
  type Model,
  makeGraph,
  makeNode,
  Tensor,
  tensorType,
} from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { observe } from './calibrate/observe.ts';
import { gptqQuantization } from './gptq.ts';
import { streamLayers } from './layer-stream.ts';
import { linearLayers } from './linear-layers.ts';
import { withNames } from './static.ts';
import { weightOnlyQuantization } from './weight-only.ts';

const WIDTH = 48;

/** Rows of few degrees of freedom, as activations of trained nets are. */
function correlated(samples: number, seed: number): Tensor {
  const random = new Random(seed);
  const mix = normals(new Random(77), [12, WIDTH]).as('float32');
  const values = new Float32Array(samples * WIDTH);
  for (let s = 0; s < samples; s++) {
    for (let d = 0; d < 12; d++) {
      const strength = random.normal();
      for (let i = 0; i < WIDTH; i++)
        values[s * WIDTH + i]! += strength * mix[d * WIDTH + i]! + 0.02 * random.normal();
    }
  }
  return Tensor.float32([samples, WIDTH], values);
}

const data = (): Dataset => inMemory({ x: correlated(64, 5) });
const context = () => ({ progress: SILENT, seed: 1, calibration: data() });

/** Two layers that read one value, a residual around them, a shape computed on the way, and a transposed head. */
function residual(): Model {
  const net = new Net(3);
  const a = net.relu(net.gemm('x', WIDTH, 64));
  const [p, q] = [net.matmul(a, 64, 64), net.matmul(a, 64, 64)];
  const shape = net.op('Shape', [a]);
  const mixed = net.op('Reshape', [net.op('Mul', [net.op('Sigmoid', [p]), q]), shape]);
  const b = net.op('Add', [mixed, a]);
  return net.model(['N', WIDTH], [net.gemm(net.relu(b), 64, 10, true), b]);
}

async function answers(model: Model, x: Tensor): Promise<Tensor> {
  const session = await openSession(model, { threads: 1 });
  try {
    return (await session.run({ x }))[session.outputs[0]!.name]!;
  } finally {
    await session.dispose();
  }
}

async function gramsOf(model: Model): Promise<Map<string, Float64Array>> {
  const layers = linearLayers(model);
  const grams = new Map<string, Float64Array>();
  const inner = [...new Set(layers.map(({ input }) => input))];
  await observe(model, data(), inner, (value, tensor) => {
    const k = tensor.dims.at(-1)!;
    const x = tensor.as('float32');
    const gram = grams.get(value) ?? new Float64Array(k * k);
    for (let row = 0; row < x.length; row += k) {
      for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) gram[i * k + j]! += x[row + i]! * x[row + j]!;
    }
    grams.set(value, gram);
  });
  return grams;
}

function near(got: Float64Array, wanted: Float64Array, what: string): void {
  const top = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of got.entries()) {
    assert.ok(Math.abs(value - wanted[i]!) <= 1e-5 * top, `${what}[${i}]`);
  }
}

test('the stream shows each layer what it reads, piece by piece, and sees weights that were replaced', async () => {
  const model = withNames(residual());
  const before = encodeModel(model);
  const layers = linearLayers(model);
  assert.deepEqual(
    layers.map(({ n, transposed }) => [n, transposed]),
    [
      [64, false],
      [64, false],
      [64, false],
      [10, true],
    ],
  );
  const plain = await gramsOf(model);
  const seen: string[] = [];
  await streamLayers(
    model,
    layers,
    data(),
    ({ node, input }, { gram, rows }) => {
      near(gram, plain.get(input)!, node.name);
      assert.equal(rows, 64);
      seen.push(node.name);
      return undefined;
    },
    { batch: 24, samples: 1000 },
  );
  assert.deepEqual(
    seen,
    layers.map(({ node }) => node.name),
  );
  // Halved weights, in place and as the stream sees them.
  const halved = cloneModel(model);
  const half = (tensor: Tensor) =>
    Tensor.float32(
      tensor.dims,
      tensor.as('float32').map((value) => value / 2),
    );
  for (const { weight, tensor } of layers) halved.graph.initializers.set(weight, half(tensor));
  const other = await gramsOf(halved);
  await streamLayers(
    model,
    layers,
    data(),
    ({ node, input, tensor }, { gram }) => {
      near(gram, other.get(input)!, node.name);
      return { weight: half(tensor) };
    },
    { batch: 24, samples: 64 },
  );
  assert.deepEqual(encodeModel(model), before);
});

test('the means of the outputs stay on the calibration data, for layers with and without a bias', async () => {
  const net = new Net(5);
  const offset = net.op('Add', ['x', net.constant(Tensor.float32([1], [2]))]);
  const a = net.matmul(offset, WIDTH, 40);
  const float = net.model(['N', WIDTH], [net.gemm(net.op('Add', [a, net.weight([40], 2)]), 40, 12, true)]);
  const x = correlated(64, 5);
  const means = async (model: Model) => {
    const values = (await answers(model, x)).as('float32');
    return Array.from(
      { length: 12 },
      (_, c) => values.filter((__, i) => i % 12 === c).reduce((sum, v) => sum + v, 0) / 64,
    );
  };
  const wanted = await means(float);
  const off = async (meanCorrection: boolean) => {
    const options = { ...gptqQuantization.defaults, least: 1, accuracyLevel: 1 as const, meanCorrection };
    const got = await means((await gptqQuantization.apply(float, options, context())).model);
    return Math.max(...got.map((mean, c) => Math.abs(mean - wanted[c]!)));
  };
  const [corrected, plain] = [await off(true), await off(false)];
  assert.ok(corrected < 1e-3, `off by ${corrected}`);
  assert.ok(plain > 10 * corrected, `off by ${plain} otherwise`);
});

test('samples are taken from all over the data', async () => {
  const model = withNames(residual());
  const rows = correlated(64, 5)
    .as('float32')
    .map((value, i) => (i < 32 * WIDTH ? 0 : value));
  let energy = 0;
  await streamLayers(
    model,
    linearLayers(model).slice(0, 1),
    inMemory({ x: Tensor.float32([64, WIDTH], rows) }),
    (_, { gram, rows: count }) => {
      assert.equal(count, 16);
      energy = gram.reduce((sum, value) => sum + value, 0);
      return undefined;
    },
    { batch: 8, samples: 16 },
  );
  assert.ok(energy > 0, 'the second half was seen');
});

test('on new samples the outputs lose less than with the nearest numbers; the model is left alone', async () => {
  const float = residual();
  const before = encodeModel(float);
  const x = correlated(200, 6);
  const wanted = await answers(float, x);
  const shared = { least: 1, accuracyLevel: 1, blockSize: 32 } as const;
  const plain = await weightOnlyQuantization.apply(
    float,
    { ...weightOnlyQuantization.defaults, ...shared },
    context(),
  );
  const rounded = sqnr(wanted, await answers(plain.model, x));
  for (const options of [
    {},
    { actOrder: true },
    { activations: 'float' as const },
    { symmetric: false, fit: 'hqq' as const },
  ]) {
    const made = await gptqQuantization.apply(
      float,
      { ...gptqQuantization.defaults, ...shared, ...options },
      context(),
    );
    assert.ok(made.fusion!.nodes.every(({ status }) => status === 'fused'));
    assert.equal(made.model.graph.nodes.filter(({ op }) => op === 'MatMulNBits').length, 4);
    assert.match(made.notes[0]!.why, /outputs .* dB, to the nearest/);
    const better = sqnr(wanted, await answers(made.model, x));
    assert.ok(better > rounded + 2, `${JSON.stringify(options)}: ${better} dB against ${rounded} dB`);
    const again = await gptqQuantization.apply(
      float,
      { ...gptqQuantization.defaults, ...shared, ...options },
      context(),
    );
    assert.deepEqual(encodeModel(again.model), encodeModel(made.model), 'the same numbers each time');
  }
  assert.deepEqual(encodeModel(float), before);
});

test('dead inputs, shared weights, nested graphs and exclusions', async () => {
  const net = new Net(8);
  const dead = net.op('Mul', ['x', net.constant(Tensor.float32([1], [0]))]);
  const zero = net.matmul(dead, WIDTH, 32);
  const shared = net.weight([WIDTH, WIDTH]);
  const a = net.op('MatMul', [net.op('MatMul', ['x', shared]), shared]);
  const inner = makeGraph({
    name: 'branch',
    inputs: [],
    outputs: [{ name: 'y', type: tensorType('float32', undefined) }],
    nodes: [makeNode('MatMul', [a, 'inside'], ['y'], {}, { name: 'nested' })],
    initializers: new Map([['inside', normals(new Random(4), [WIDTH, 32])]]),
  });
  const choose = net.constant(Tensor.of('bool', [], Uint8Array.of(1)));
  const both = net.op('If', [choose], {
    then_branch: { type: 'graph', value: inner },
    else_branch: {
      type: 'graph',
      value: { ...inner, nodes: [makeNode('MatMul', [a, 'inside'], ['y'], {}, { name: 'other' })] },
    },
  });
  const kept = net.matmul(both, 32, 32);
  const float = net.model(['N', WIDTH], [net.op('Add', [kept, zero])]);
  const exclude = [net.nodes.at(-2)!.name];
  const options = {
    ...gptqQuantization.defaults,
    least: 1,
    check: false,
    exclude,
    accuracyLevel: 1 as const,
  };
  const made = await gptqQuantization.apply(float, options, context());
  const why = new Map(made.notes.map((note) => [note.node, note]));
  assert.equal(why.get(exclude[0]!)!.action, 'refused');
  assert.match(why.get('nested')!.why, /weights .* dB/);
  assert.match(made.notes.find(({ why: text }) => text.includes('all the same'))!.why, /to the nearest/);
  const packed = made.model.graph.nodes
    .filter(({ op }) => op === 'MatMulNBits')
    .map(({ inputs }) => inputs[1]);
  assert.equal(packed.length, 3);
  assert.equal(new Set(packed).size, 2, 'a shared weight is packed once');
  const x = correlated(50, 9);
  assert.ok(sqnr(await answers(float, x), await answers(made.model, x)) > 12);
});

test('what cannot be done ends with its code', async () => {
  const refused = (options: object, calibration: Dataset | undefined, code: string) =>
    assert.rejects(
      () =>
        gptqQuantization.apply(
          residual(),
          { ...gptqQuantization.defaults, ...options },
          { progress: SILENT, seed: 1, calibration },
        ),
      (thrown: ModicumError) => thrown.code === code,
    );
  await refused({}, undefined, 'CALIBRATION_NEEDED');
  await refused({ damping: 0 }, data(), 'USAGE_BAD_OPTION');
  await refused({ blockSize: 8 }, data(), 'USAGE_BAD_OPTION');
  await refused({ least: 1e9 }, data(), 'NOTHING_TO_QUANTIZE');
});
