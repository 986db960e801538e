import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cloudNet, clouds } from '../../test/exits-nets.ts';
import { Random } from '../base/index.ts';
import { type Dataset, inMemory } from '../data/index.ts';
import { type Model, sizeOf, Tensor } from '../graph/index.ts';
import { openSession } from '../run/index.ts';
import { openStaged, type StagedModel } from '../staged/index.ts';
import { type ArchitectureName, architectureByName, prepareForTraining } from '../train/index.ts';
import { answersOf } from './answers.ts';
import { everyStage, stageOutput } from './every-stage.ts';
import { exits } from './exits.ts';
import { addHeads } from './heads.ts';
import { exitPlaces } from './places.ts';
import { featuresOf, poolingsOf } from './pooling.ts';
import { record } from './recorded.ts';
import { splitStages } from './split-stages.ts';

const NET = await cloudNet({ slope: true });
const TRAINING = clouds(3000, 21);
const DATA = clouds(3000, 22);
const COMMON = {
  data: DATA,
  trainingData: TRAINING,
  training: { epochs: 8 },
  settings: { threads: 1 },
  exits: 2,
} as const;

test('easy samples leave early, and the promise holds on samples that nobody has seen', async () => {
  const { staged, whole, report } = await exits(NET, { ...COMMON, maxDrop: 2 });
  const { certificate, exits: rows, test: figures } = report;
  assert.equal(certificate.outcome, 'certified');
  assert.ok(certificate.pValue <= 0.05);
  assert.ok(figures.macsShare < 0.8, `${figures.macsShare}`);
  assert.equal(rows.length, staged.stages.length);
  assert.ok(Math.abs(rows.reduce((sum, { leaves }) => sum + leaves.value, 0) - 1) < 1e-9);
  assert.equal(
    rows.at(-1)!.macs,
    staged.stages.reduce((sum, { macs }) => sum + macs, 0),
  );
  assert.ok(report.places.some(({ chosen }) => chosen));
  // The other output is reported against what the data says of it.
  assert.equal(report.others[0]!.output, 'slope');
  assert.ok(report.others[0]!.error!.staged < 0.5);
  const fresh = clouds(6000, 23);
  const session = await openStaged(staged);
  const full = await openSession(whole);
  const [ours, theirs] = [await record(session, fresh, ['class']), await record(full, fresh, ['class'])];
  await Promise.all([session.dispose(), full.dispose()]);
  const right = await rightOf(fresh, ours.values.get('class')!);
  const wholeRight = await rightOf(fresh, theirs.values.get('class')!);
  // Two points, and three standard errors of a paired difference on 6000 samples.
  assert.ok(wholeRight - right <= 0.02 + 0.008, `${wholeRight} to ${right}`);
});

async function rightOf(data: Dataset, scores: Float32Array): Promise<number> {
  let [right, at] = [0, 0];
  for await (const { labels } of data.read({ batch: 500 })) {
    for (const label of labels!.numbers()) {
      const row = scores.subarray(4 * at, 4 * at + 4);
      if (row.indexOf(Math.max(...row)) === label) right++;
      at++;
    }
  }
  return right / at;
}

test('the same seed gives the same thresholds, and places can be asked for', async () => {
  const all = exitPlaces((await prepareForTraining(NET)).model).map(({ value }) => value);
  const wanted = { ...COMMON, maxDrop: 3, places: [all[1]!], seed: 5, data: clouds(1200, 24) };
  const [one, other] = [await exits(NET, wanted), await exits(NET, wanted)];
  assert.deepEqual(other.report, one.report);
  assert.deepEqual(
    one.report.places.map(({ value, chosen }) => [value, chosen]),
    [[all[1], true]],
  );
  await assert.rejects(exits(NET, { ...COMMON, places: ['nowhere'] }), { code: 'EXITS_NO_PLACE' });
  await assert.rejects(exits(NET, { ...COMMON, maxDrop: 0 }), { code: 'USAGE_BAD_OPTION' });
});

test('without labels and training data: certified is how often the answers agree', async () => {
  const { report } = await exits(NET, {
    ...COMMON,
    data: clouds(4000, 25, false),
    trainingData: undefined,
    maxDrop: 3,
  });
  assert.equal(report.labelled, false);
  assert.equal(report.certificate.test, 'binomial');
  assert.equal(report.test.whole.value, 1);
  assert.equal(report.certificate.outcome, 'certified');
});

test('8 bits are part of what is certified; too few samples certify nothing and nobody leaves', async () => {
  const { report, staged } = await exits(NET, { ...COMMON, maxDrop: 2, int8: true });
  assert.equal(report.certificate.outcome, 'certified');
  assert.ok(
    staged.stages.every(({ model }) => model.graph.nodes.some(({ op }) => op === 'DequantizeLinear')),
  );
  const end = await exits(NET, { ...COMMON, maxDrop: 2, int8: true, against: 'end', places: undefined });
  // Against itself nothing is lost while nobody leaves, so that as many leave as against the model in float, or more.
  assert.equal(end.report.certificate.outcome, 'certified');
  assert.equal(end.report.against, 'end');
  const few = await exits(NET, { ...COMMON, data: clouds(200, 26), maxDrop: 0.5 });
  assert.equal(few.report.certificate.outcome, 'infeasible');
  assert.equal(few.staged.stages.length, 1);
  assert.equal(few.report.test.macsShare, 1);
});

const NETS: readonly (readonly [ArchitectureName, Readonly<Record<string, unknown>>, readonly number[]])[] = [
  ['mlp', { layers: 4, units: 24 }, [10]],
  ['ds-cnn', { width: 0.25, depth: 0.5 }, [1, 12, 10]],
  ['residual-cnn', { width: 0.25, depth: 0.5, probabilities: true }, [2, 10, 10]],
  ['transformer', { width: 0.125, depth: 0.5 }, [6, 5]],
];

/** A random net with random heads at random places, in stages. */
function randomStages(seed: number): { net: Model; staged: StagedModel; feed: Tensor } {
  const random = new Random(seed);
  const [name, options, dims] = NETS[random.below(NETS.length)]!;
  const net = architectureByName(name).build(
    {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['N', ...dims] }],
      outputs: [
        { name: 'y', dtype: 'float32', shape: ['N', 3], kind: 'classes' },
        { name: 'z', dtype: 'float32', shape: ['N', 2], kind: 'regression' },
      ],
    },
    options,
    random,
  );
  const answers = answersOf(net, 'y');
  const places = random.shuffle(exitPlaces(net, { within: [0, 1] })).slice(0, 1 + random.below(3));
  const plans = places
    .sort((a, b) => a.macs - b.macs)
    .map((place, i) => {
      const poolings = poolingsOf(place);
      const pooling = poolings[random.below(poolings.length)]!;
      const features = featuresOf(place, pooling);
      const layer = (out: number) => ({
        weight: numbers([out, features], random),
        bias: numbers([out], random),
      });
      const own = new Map(answers.all.map((answer) => [answer.name, layer(answer.size)] as const));
      return { plan: { id: `e${i}`, place, pooling, features, hidden: 0 }, weights: { answers: own } };
    });
  const { model, heads } = addHeads(net, answers.all, plans);
  const cuts = heads.map(({ id, place, answers: own }) => ({
    id,
    cut: [place.value],
    answers: own,
    exit: {
      scores: own.y!,
      scale: answers.decision.scale,
      temperature: 1,
      confidence: 'margin' as const,
      threshold: Number.POSITIVE_INFINITY,
    },
  }));
  return { net, staged: splitStages(model, cuts), feed: numbers([4, ...dims], random) };
}

function numbers(dims: readonly number[], random: Random): Tensor {
  return Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );
}

/** The largest difference between what the last stage and the whole net answer. */
async function difference(net: Model, staged: StagedModel, feed: Tensor): Promise<number> {
  const settings = { threads: 1, level: 'disabled' } as const;
  const [whole, pieces] = [await openSession(net, settings), await everyStage(staged, settings)];
  try {
    const [theirs, ours] = [await whole.run({ x: feed }), await pieces.run({ x: feed })];
    let most = 0;
    for (const name of ['y', 'z']) {
      const own = ours[stageOutput(staged.stages.length - 1, name)]!.as('float32');
      for (const [i, value] of theirs[name]!.as('float32').entries())
        most = Math.max(most, Math.abs(value - own[i]!));
    }
    return most;
  } finally {
    await Promise.all([whole.dispose(), pieces.dispose()]);
  }
}

test('where nobody leaves, the stages of a random net answer what the net answers, to the bit', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1e6), async (seed) => {
      const { net, staged, feed } = randomStages(seed);
      assert.equal(await difference(net, staged, feed), 0);
    }),
    { seed: 4, numRuns: 12 },
  );
});

test('the comparison sees a stage that carries something else', async () => {
  const { net, staged, feed } = randomStages(9);
  const [first, ...rest] = staged.stages as [
    StagedModel['stages'][number],
    ...StagedModel['stages'][number][],
  ];
  const weights = first.model.graph.initializers;
  const [name, tensor] = [...weights].find(
    ([, value]) => value.dims.length >= 2 && value.dtype === 'float32',
  )!;
  const spoilt = new Map(weights).set(
    name,
    Tensor.float32(
      tensor.dims,
      tensor.as('float32').map((value) => value + 0.1),
    ),
  );
  const fault = {
    ...first,
    model: { ...first.model, graph: { ...first.model.graph, initializers: spoilt } },
  };
  assert.ok((await difference(net, { ...staged, stages: [fault, ...rest] }, feed)) > 1e-6);
});

test('data that do not fit the model are refused before anything is trained', async () => {
  const wrong = inMemory(
    {
      x: Tensor.float32(
        [50, 3],
        new Float32Array(150).map((_, i) => i),
      ),
    },
    Tensor.int64([50], new Array(50).fill(0)),
  );
  await assert.rejects(exits(NET, { data: wrong, settings: { threads: 1 } }), {
    code: 'DATA_SHAPE_MISMATCH',
  });
  const labels = inMemory(
    {
      x: Tensor.float32(
        [400, 8],
        new Float32Array(3200).map((_, i) => i),
      ),
    },
    Tensor.int64(
      [400],
      Array.from({ length: 400 }, (_, i) => i % 9),
    ),
  );
  await assert.rejects(exits(NET, { data: labels, settings: { threads: 1 } }), {
    code: 'TRAIN_LABELS_RANGE',
  });
});
