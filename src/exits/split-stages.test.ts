import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomGraph } from '../../test/contracts/random-graph.ts';
import { type ExitNet, exitFeeds, exitNet } from '../../test/exit-nets.ts';
import { mlp, normalData } from '../../test/quantize-nets.ts';
import { Random, SILENT } from '../base/index.ts';
import {
  assertValid,
  cloneModel,
  costOf,
  inferShapes,
  type Model,
  makeNode,
  namer,
  parseText,
  printText,
  Tensor,
} from '../graph/index.ts';
import { executedGraph, openSession } from '../run/index.ts';
import { confidencesOf, EXIT_OUTPUT, openStaged, type Stage, type StagedModel } from '../staged/index.ts';
import { staticQuantization } from '../transform/index.ts';
import { type ExitCut, splitStages } from './split-stages.ts';

const EXACT = { threads: 1, level: 'disabled' } as const;
const RULE = { scale: 'logits', temperature: 1, confidence: 'margin' } as const;

/** The model with heads at random inner values: scores are two sums over pieces of the value, per sample. */
function withHeads(
  model: Model,
  random: Random,
  threshold: number,
): { model: Model; exits: ExitCut[] } | undefined {
  const copy = cloneModel(model);
  const shapes = inferShapes(copy);
  const fresh = namer(copy.graph);
  const places = copy.graph.nodes.flatMap((node, i) => {
    const name = node.outputs[0]!;
    const value = shapes.get(name);
    const dims = value?.shape;
    const first = copy.graph.inputs[0]!.type;
    const batch = first.kind === 'tensor' ? first.shape?.[0] : undefined;
    if (value?.dtype !== 'float32' || dims === undefined || dims.length < 2 || dims[0] !== batch) return [];
    return dims.slice(1).every((dim) => typeof dim === 'number' && dim > 0)
      ? [{ name, i, size: dims.slice(1).reduce((a, b) => Number(a) * Number(b), 1) as number }]
      : [];
  });
  if (places.length === 0) return undefined;
  const count = Math.min(places.length, 1 + random.below(3));
  const chosen = random
    .shuffle([...places])
    .slice(0, count)
    .sort((a, b) => a.i - b.i);
  const outputs = copy.graph.outputs.filter(({ name }) => shapes.get(name)?.dtype === 'float32');
  if (outputs.length < copy.graph.outputs.length) return undefined;
  const exits = chosen.map(({ name, size }): ExitCut => {
    const [flat, scores, shape, weight] = ['flat', 'scores', 'shape', 'weight'].map((stem) =>
      fresh(stem),
    ) as [string, string, string, string];
    copy.graph.initializers.set(shape, Tensor.int64([2], [-1, size]));
    copy.graph.initializers.set(
      weight,
      Tensor.float32(
        [size, 2],
        Array.from({ length: 2 * size }, () => random.normal()),
      ),
    );
    copy.graph.nodes.push(
      makeNode('Reshape', [name, shape], [flat]),
      makeNode('MatMul', [flat, weight], [scores]),
    );
    return {
      cut: [name],
      answers: Object.fromEntries(outputs.map((output) => [output.name, scores])),
      exit: { ...RULE, scores, threshold },
    };
  });
  return { model: copy, exits };
}

async function outputsOf(model: Model | StagedModel, feeds: Readonly<Record<string, Tensor>>) {
  const session = 'stages' in model ? await openStaged(model, EXACT) : await openSession(model, EXACT);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

function sameBits(
  found: Readonly<Record<string, Tensor>>,
  wanted: Readonly<Record<string, Tensor>>,
  names: readonly string[],
) {
  for (const name of names) {
    assert.deepEqual(found[name]!.dims, wanted[name]!.dims, name);
    assert.ok(Buffer.compare(found[name]!.bytes(), wanted[name]!.bytes()) === 0, `${name} differs`);
  }
}

test('stages in order give the bits of the whole, on random graphs', async () => {
  let pieces = 0;
  let refused = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const random = new Random(seed);
    const headed = withHeads(model, random, Number.POSITIVE_INFINITY);
    if (headed === undefined) continue;
    let staged: StagedModel;
    try {
      staged = splitStages(headed.model, headed.exits);
    } catch (cause) {
      assert.equal((cause as { code?: string }).code, 'SPLIT_REFUSED', `${story}: ${cause}`);
      refused++;
      continue;
    }
    for (const stage of staged.stages) assertValid(stage.model);
    const names = model.graph.outputs.map(({ name }) => name);
    try {
      sameBits(await outputsOf(staged, feeds), await outputsOf(headed.model, feeds), names);
    } catch (cause) {
      throw new Error(`${story}\n${staged.stages.map((stage) => printText(stage.model)).join('\n')}`, {
        cause,
      });
    }
    pieces += staged.stages.length;
  }
  assert.ok(pieces > 80 && refused < 12, `${pieces} pieces, ${refused} refused`);
});

/** Sample by sample through the whole model with its heads: the definition. */
async function bySample(
  net: ExitNet,
  x: Tensor,
): Promise<{ y: number[]; z: number[]; exits: number[]; sure: number[] }> {
  const copy = cloneModel(net.model);
  const heads = net.exits.flatMap(({ answers }) => Object.values(answers));
  copy.graph.outputs.push(...heads.map((name) => ({ name, type: { kind: 'unknown' } as const })));
  const session = await openSession(copy, EXACT);
  const answer = { y: [] as number[], z: [] as number[], exits: [] as number[], sure: [] as number[] };
  const samples = x.dims[0]!;
  const size = x.size / samples;
  for (let i = 0; i < samples; i++) {
    const one = Tensor.float32([1, ...net.dims], x.as('float32').slice(i * size, (i + 1) * size));
    const all = await session.run({ x: one });
    const sures = net.exits.map(({ exit }) => confidencesOf(all[exit.scores]!, 1, exit)[0]!);
    const found = net.exits.findIndex(({ exit }, k) => sures[k]! >= exit.threshold);
    const from = found < 0 ? { y: 'y', z: 'z' } : net.exits[found]!.answers;
    answer.y.push(...all[from.y!]!.numbers());
    answer.z.push(...all[from.z!]!.numbers());
    answer.exits.push(found < 0 ? net.exits.length : found);
    answer.sure.push(...sures.map((sure, k) => Math.abs(sure - net.exits[k]!.exit.threshold)));
  }
  await session.dispose();
  return answer;
}

test('a batch through the stages is each sample by itself, on random nets with sizes from the batch and nested graphs', async () => {
  const seen = new Map<number, number>();
  for (let seed = 1; seed <= 40; seed++) {
    const net = exitNet(seed);
    const staged = splitStages(net.model, net.exits);
    for (const stage of staged.stages) assertValid(stage.model);
    const { x } = exitFeeds(net, 7, seed);
    const wanted = await bySample(net, x);
    const macs = staged.stages.reduce((sum, stage) => sum + stage.macs, 0);
    assert.equal(macs, costOf(net.model).total.macs, 'no work is done twice');
    const found = await outputsOf(staged, { x });
    assert.ok(Math.min(...wanted.sure) > 1e-6, 'no sample sits on a threshold');
    assert.deepEqual([...found[EXIT_OUTPUT]!.as('int32')], wanted.exits, net.story);
    for (const exit of wanted.exits) seen.set(exit, (seen.get(exit) ?? 0) + 1);
    for (const name of ['y', 'z'] as const) {
      found[name]!.numbers().forEach((value, i) => {
        assert.ok(Math.abs(value - wanted[name][i]!) <= 1e-4 * Math.max(1, Math.abs(value)), net.story);
      });
    }
  }
  assert.ok(
    [0, 1, 2].every((exit) => (seen.get(exit) ?? 0) > 15),
    `${[...seen]}`,
  );
});

test('the check sees what is carried and changed', async () => {
  const net = exitNet(4, { exits: 1, threshold: Number.POSITIVE_INFINITY });
  const staged = splitStages(net.model, net.exits);
  const last = staged.stages.at(-1)!;
  const broken = cloneModel(last.model);
  const name = staged.stages[0]!.carried[0]!;
  for (const node of broken.graph.nodes)
    node.inputs = node.inputs.map((input) => (input === name ? 'shifted' : input));
  broken.graph.nodes.unshift(makeNode('Neg', [name], ['shifted']));
  const stages = [...staged.stages.slice(0, -1), { ...last, model: broken }];
  const { x } = exitFeeds(net, 3);
  const [found, wanted] = [await outputsOf({ ...staged, stages }, { x }), await outputsOf(net.model, { x })];
  assert.throws(() => sameBits(found, wanted, ['y']), /y differs/);
});

test('quantized values cross a cut as bytes, and the layers on both sides still run on integers', async () => {
  const float = mlp();
  const inner = float.graph.nodes.filter(({ op }) => op === 'Relu').map(({ outputs }) => outputs[0]!);
  const weight = Tensor.float32(
    [64, 10],
    Array.from({ length: 640 }, (_, i) => Math.sin(i)),
  );
  float.graph.initializers.set('head_w', weight);
  float.graph.nodes.push(makeNode('MatMul', [inner[0]!, 'head_w'], ['head'], {}, { name: 'head' }));
  float.graph.outputs.push({ name: 'head', type: { kind: 'tensor', dtype: 'float32', shape: ['N', 10] } });
  const context = { progress: SILENT, seed: 1, calibration: normalData([32]) };
  const { model } = await staticQuantization.apply(float, staticQuantization.defaults, context);
  const answers = { [model.graph.outputs[0]!.name]: 'head' };
  const exit = { ...RULE, scores: 'head', threshold: Number.POSITIVE_INFINITY };
  const staged = splitStages(model, [{ cut: [], answers, exit }]);
  const [first, last] = staged.stages as [Stage, Stage];
  assert.deepEqual(
    last.model.graph.inputs.map(({ type }) => (type as { dtype: string }).dtype),
    ['uint8'],
  );
  assert.equal(first.carried.length, 1);
  const feeds = {
    x: Tensor.float32(
      [5, 32],
      Array.from({ length: 160 }, (_, i) => Math.cos(i)),
    ),
  };
  sameBits(await outputsOf(staged, feeds), await outputsOf(model, feeds), Object.keys(answers));
  for (const stage of staged.stages) {
    const executed = await executedGraph(stage.model);
    const ops = executed.graph.nodes.map(({ op }) => op);
    assert.ok(
      ops.some((op) => /QGemm|QLinearMatMul/.test(op)),
      `${stage.id}: ${ops}`,
    );
    assert.ok(!ops.some((op) => op === 'MatMul' || op === 'Gemm'), `${stage.id}: ${ops}`);
  }
});

test('a value whose samples are not its first axis is refused by name; sizes of the batch are made anew', () => {
  const text = (body: string) =>
    parseText(`<ir_version: 8, opset_import: ["" : 17]>
    agraph (float[N, 4] x) => (float[N, 4] y) { ${body} }`);
  const exit = { ...RULE, scores: 's', threshold: 0.5 };
  const turned = text(
    's = Abs(x) t = Transpose<perm = [1, 0]>(s) u = Exp(t) y = Transpose<perm = [1, 0]>(u)',
  );
  const cut = (name: string) => splitStages(turned, [{ cut: [name], answers: { y: 's' }, exit }]);
  assert.throws(() => cut('u'), { code: 'SPLIT_REFUSED', message: /u, made by/ });
  // Transposing again is no work: what is carried is what comes before.
  assert.deepEqual(cut('t').stages[0]!.carried, ['s']);
  const sized = text('s = Abs(x) n = Shape(s) y = Reshape(s, n)');
  const [, last] = splitStages(sized, [{ cut: ['n'], answers: { y: 's' }, exit }]).stages;
  assert.deepEqual(
    last!.model.graph.nodes.map(({ op }) => op),
    ['Shape', 'Reshape'],
  );
  assert.throws(() => splitStages(sized, [{ cut: ['gone'], answers: { y: 's' }, exit }]), /no tensor gone/);
  assert.throws(() => splitStages(sized, [{ cut: [], answers: {}, exit }]), /does not answer output y/);
});

test('outputs that exist before the last stage, inputs read again, weights that callers may replace', async () => {
  const model = parseText(`<ir_version: 8, opset_import: ["" : 17]>
    agraph (float[N, 2] x, float[2] w) => (float[N, 2] early, float[N, 2] y)
    <float[2] w = {3, 4}> { early = Mul(x, w) h = Exp(early) a = Add(h, x) y = Mul(a, w) }`);
  const exit = { ...RULE, scores: 'early', threshold: Number.POSITIVE_INFINITY };
  const staged = splitStages(model, [{ cut: ['h'], answers: { early: 'early', y: 'h' }, exit }], {
    outputs: ['early', 'y'],
  });
  assert.deepEqual(
    staged.inputs.map(({ name }) => name),
    ['x'],
  );
  const feeds = { x: Tensor.float32([2, 2], [0.5, 1, -1, 0.25]) };
  sameBits(await outputsOf(staged, feeds), await outputsOf(model, feeds), ['early', 'y']);
  assert.deepEqual([...staged.stages[0]!.carried].sort(), ['early', 'h']);
});
