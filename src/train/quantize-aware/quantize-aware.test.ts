import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gratingNet, gratings } from '../../../test/train/gratings.ts';
import { accuracy, spiral, spiralNet } from '../../../test/train/spiral.ts';
import { SILENT } from '../../base/index.ts';
import { encodeModel, type Model, parseText } from '../../graph/index.ts';
import { openSession, type Session } from '../../run/index.ts';
import { TRAINING_PASSES } from '../passes/index.ts';
import { train } from '../train.ts';
import { type QuantizeAwareOptions, quantizeAware } from './quantize-aware.ts';

const POINTS = spiral(1500, 1);
const MORE_POINTS = spiral(2000, 2);
const PICTURES = gratings(2500, 1);
const MORE_PICTURES = gratings(2500, 2);
const SETTINGS = { threads: 1 };

let trainedNet: Promise<Model> | undefined;
/** A net of convolutions that was trained. */
const convolutions = () => {
  trainedNet ??= train(gratingNet(1), PICTURES, {
    epochs: 8,
    rate: 0.01,
    batch: 50,
    seed: 3,
    settings: SETTINGS,
  }).then(({ model }) => model);
  return trainedNet;
};
let trainedRows: Promise<Model> | undefined;
const rows = () => {
  trainedRows ??= train(spiralNet(1, 12), POINTS, { epochs: 30, rate: 0.02, batch: 50, seed: 3 }).then(
    ({ model }) => model,
  );
  return trainedRows;
};

const aware = async (model: Model, options: QuantizeAwareOptions) =>
  quantizeAware(model, PICTURES, { batch: 50, seed: 1, settings: SETTINGS, ...options });

const nodesOf = ({ graph }: Model) => graph.nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs]);

for (const { bits, scheme, gain, far } of [
  { bits: 4, scheme: 'static', gain: 1, far: 2 },
  { bits: 4, scheme: 'weights', gain: 3, far: 2.5 },
  { bits: 7, scheme: 'static', gain: -0.5, far: 1 },
  { bits: 8, scheme: 'static', gain: -0.5, far: 1 },
] as const) {
  test(`${bits} bits, ${scheme}: learned roundings against those after training, on samples apart`, async () => {
    const float = await convolutions();
    const bytes = encodeModel(float);
    const weights = { least: 1, blockSize: 16 } as const;
    const result = await aware(float, { bits, scheme, weights });
    const [whole, before, after] = [
      await accuracy(float, MORE_PICTURES),
      await accuracy(result.before, MORE_PICTURES),
      await accuracy(result.model, MORE_PICTURES),
    ];
    assert.ok(whole > 85, `${whole}`);
    assert.ok(after > before + gain, `${before} -> ${after}`);
    assert.ok(after > whole - far, `${whole} -> ${after}`);
    // What fuses is what decides speed: the graph is that of the pass, and all of it runs on integers.
    assert.deepEqual(nodesOf(result.model), nodesOf(result.before));
    assert.ok(result.fusion.nodes.length > 0);
    for (const { name, status } of result.fusion.nodes) assert.equal(status, 'fused', name);
    assert.ok(Buffer.from(encodeModel(float)).equals(Buffer.from(bytes)), 'the float model is left alone');
  });
}

test('the same seed gives the same bytes, another seed others; labels are not needed', async () => {
  const float = await rows();
  const data = spiral(600, 4, false);
  const run = async (seed: number) =>
    Buffer.from(
      encodeModel(
        (await quantizeAware(float, data, { bits: 4, epochs: 2, batch: 50, seed, settings: SETTINGS })).model,
      ),
    );
  const [one, two, other] = [await run(1), await run(1), await run(2)];
  assert.ok(one.equals(two));
  assert.ok(!one.equals(other));
});

test('another model or a session may teach', async () => {
  const float = await rows();
  const wide = (await train(spiralNet(2, 48), POINTS, { epochs: 20, rate: 0.02, batch: 50, seed: 3 })).model;
  const session = await openSession(wide);
  try {
    for (const teacher of [wide, session]) {
      const { model } = await quantizeAware(float, POINTS, {
        bits: 4,
        epochs: 3,
        batch: 50,
        teacher,
        settings: SETTINGS,
      });
      assert.ok((await accuracy(model, MORE_POINTS)) > 93);
    }
    assert.equal((await session.run((await first())!)).p!.dims[1], 3, 'the session is still open');
  } finally {
    await session.dispose();
  }
});

async function first() {
  for await (const { feeds } of POINTS.read({ batch: 2 })) return feeds;
  return undefined;
}

test('the teacher answers the data once', async () => {
  const session = await openSession(await rows());
  let asked = 0;
  const teacher: Session = {
    inputs: session.inputs,
    outputs: session.outputs,
    metadata: session.metadata,
    run(feeds, options) {
      asked += feeds.x!.dims[0]!;
      return session.run(feeds, options);
    },
    dispose: () => session.dispose(),
  };
  try {
    await quantizeAware(await rows(), POINTS, { bits: 4, epochs: 1, batch: 50, teacher, settings: SETTINGS });
    // And some samples more each time, to tell what its output is.
    assert.ok(asked >= POINTS.size && asked < 2 * POINTS.size, `${asked}`);
  } finally {
    await session.dispose();
  }
});

test('it stops on request, without a result', async () => {
  const stopper = new AbortController();
  const progress = {
    stage: (label: string) => ({
      advance() {
        if (label === 'Training') stopper.abort(new Error('stop'));
      },
      end() {},
    }),
  };
  await assert.rejects(
    quantizeAware(await rows(), POINTS, { bits: 4, batch: 50, progress, signal: stopper.signal }),
    /stop/,
  );
});

test('bad requests are refused', async () => {
  const float = await rows();
  const refused = (options: object, code: string) =>
    assert.rejects(quantizeAware(float, POINTS, options), { code });
  await refused({ bits: 3 }, 'USAGE_BAD_OPTION');
  await refused({ bits: 7, scheme: 'weights' }, 'USAGE_BAD_OPTION');
  await refused({ epochs: 1, steps: 2 }, 'USAGE_BAD_OPTION');
  await refused({ epochs: -1 }, 'USAGE_BAD_OPTION');
  const bare = parseText(
    '<ir_version: 10, opset_import: ["" : 17]> g (float[n, 2] x) => (float[n, 2] p) { p = Relu(x) }',
  );
  await assert.rejects(quantizeAware(bare, POINTS, {}), { message: /no Conv, Gemm or MatMul/ });
});

test('as a pass: training data is asked for, notes and fusion are given', async () => {
  const pass = TRAINING_PASSES['quantize-aware'];
  const float = await rows();
  const context = { progress: SILENT, seed: 1 };
  await assert.rejects(pass.apply(float, pass.defaults, context), { code: 'TRAINING_NEEDED' });
  const options = { ...pass.defaults, bits: 4, epochs: 2, threads: 1, exclude: ['MatMul:d'] } as const;
  assert.equal(pass.error(options).kind, 'lossy');
  const result = await pass.apply(float, options, { ...context, training: POINTS });
  assert.ok(result.modified && result.fusion !== undefined);
  assert.deepEqual(
    result.fusion.nodes.map(({ op, status }) => [op, status]),
    [['MatMul', 'fused']],
    'what is excluded stays in float',
  );
  assert.ok((await accuracy(result.model, MORE_POINTS)) > 93);
});
