import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { exitFeeds, exitNet } from '../../test/exit-nets.ts';
import { mlp } from '../../test/quantize-nets.ts';
import { assertValid, cloneModel, type Model, parseText, Tensor, walkNodes } from '../graph/index.ts';
import { openSession, type Session } from '../run/index.ts';
import { confidencesOf, EXIT_OUTPUT, openStaged, type StagedModel } from '../staged/index.ts';
import { below } from './exit-condition.ts';
import { nestedIf } from './nested-if.ts';
import { splitStages } from './split-stages.ts';

const ONE_THREAD = { threads: 1 } as const;

async function open(t: TestContext, model: Model | StagedModel): Promise<Session> {
  const session = await ('stages' in model ? openStaged(model, ONE_THREAD) : openSession(model, ONE_THREAD));
  t.after(() => session.dispose());
  return session;
}

const rowOf = (x: Tensor, row: number) => {
  const size = x.size / x.dims[0]!;
  return Tensor.float32([1, ...x.dims.slice(1)], x.as('float32').slice(row * size, (row + 1) * size));
};
const exitsOf = (answer: Readonly<Record<string, Tensor>>) => [...answer[EXIT_OUTPUT]!.as('int32')];

function near(found: Tensor, wanted: Tensor, story: string): void {
  assert.deepEqual(found.dims, wanted.dims, story);
  const [a, b] = [found.numbers(), wanted.numbers()];
  a.forEach((value, i) => {
    assert.ok(
      Math.abs(value - b[i]!) <= 1e-4 * Math.max(1, Math.abs(b[i]!)),
      `${story}: ${value}, not ${b[i]}`,
    );
  });
}

test('one file decides and answers as the stages do, sample by sample, in every opset and with every rule', async () => {
  const seen = new Map<number, number>();
  for (let seed = 1; seed <= 50; seed++) {
    const net = exitNet(seed, { batch: seed % 4 === 0 ? 1 : 'N' });
    const staged = splitStages(net.model, net.exits);
    const one = await nestedIf(staged);
    assertValid(one);
    assert.deepEqual(
      one.graph.outputs.map(({ name }) => name),
      ['y', 'z', EXIT_OUTPUT],
    );
    const pieces = await openStaged(staged, ONE_THREAD);
    const single = await openSession(one, ONE_THREAD);
    const { x } = exitFeeds(net, 5, seed);
    for (let row = 0; row < 5; row++) {
      const [found, wanted] = [
        await single.run({ x: rowOf(x, row) }),
        await pieces.run({ x: rowOf(x, row) }),
      ];
      assert.deepEqual(exitsOf(found), exitsOf(wanted), net.story);
      for (const name of ['y', 'z']) near(found[name]!, wanted[name]!, net.story);
      const [exit] = exitsOf(found);
      seen.set(exit!, (seen.get(exit!) ?? 0) + 1);
    }
    await single.dispose();
    await pieces.dispose();
  }
  assert.ok(
    [0, 1, 2].every((exit) => (seen.get(exit) ?? 0) > 20),
    `${[...seen]}`,
  );
});

test('a batch leaves together, when its least sure sample may', async (t) => {
  const net = exitNet(9, {
    exits: 2,
    classes: 3,
    confidence: 'max-probability',
    scale: 'logits',
    threshold: 0.55,
  });
  const staged = splitStages(net.model, net.exits);
  const [pieces, single] = [await open(t, staged), await open(t, await nestedIf(staged))];
  const kinds = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const { x } = exitFeeds(net, 1 + (seed % 3), seed);
    const own = exitsOf(await pieces.run({ x }));
    const found = exitsOf(await single.run({ x }));
    // Who is sure at the first exit need not be at the second: the first at which all are.
    assert.deepEqual(found, new Array(own.length).fill(found[0]));
    assert.ok(found[0]! >= Math.max(...own), `${found} after ${own}`);
    if (new Set(own).size === 1) assert.deepEqual(found, own);
    kinds.add(`${found[0]}`);
  }
  assert.ok(kinds.size >= 2);
});

test('NaN leaves nobody; a threshold of 0 all others, one above 1 nobody and costs no If', async (t) => {
  const net = exitNet(3, { exits: 1, threshold: 0, classes: 3 });
  const staged = splitStages(net.model, net.exits);
  const single = await open(t, await nestedIf(staged));
  const { x } = exitFeeds(net, 1);
  assert.deepEqual(exitsOf(await single.run({ x })), [0]);
  const broken = Tensor.float32(
    x.dims,
    x.as('float32').map(() => Number.NaN),
  );
  assert.deepEqual(exitsOf(await single.run({ x: broken })), [1]);
  const never = staged.stages.map((stage) =>
    stage.exit === undefined
      ? stage
      : { ...stage, exit: { ...stage.exit, threshold: Number.POSITIVE_INFINITY } },
  );
  const plain = await nestedIf({ ...staged, stages: never });
  assert.equal([...walkNodes(plain.graph)].filter(({ name }) => name.endsWith('_exit')).length, 0);
  const answer = await (await open(t, plain)).run({ x: exitFeeds(net, 4).x });
  assert.deepEqual(exitsOf(answer), [1, 1, 1, 1]);
  near(answer.y!, (await (await open(t, net.model)).run({ x: exitFeeds(net, 4).x })).y!, net.story);
});

test('separate models with the same names and other opsets become one file', async (t) => {
  const small = mlp(1);
  const big = mlp(2);
  big.opsets.set('', 18);
  const output = small.graph.outputs[0]!.name;
  const sessions = [await open(t, small), await open(t, big)];
  const samples = Array.from({ length: 20 }, (_, i) =>
    Tensor.float32(
      [1, 32],
      Array.from({ length: 32 }, (_, k) => Math.sin(31 * i + k * k)),
    ),
  );
  const rule = { scores: output, scale: 'logits', temperature: 1, confidence: 'margin' } as const;
  const sure: number[] = [];
  for (const x of samples) sure.push(confidencesOf((await sessions[0]!.run({ x }))[output]!, 1, rule)[0]!);
  const exit = { ...rule, threshold: sure.toSorted((a, b) => a - b)[9]! + 1e-6 };
  const inputs = [{ name: 'x', dtype: 'float32', shape: ['N', 32] }] as const;
  const outputs = [{ name: output, dtype: 'float32', shape: ['N', 10] }] as const;
  const staged: StagedModel = {
    stages: [
      { id: 'small', model: small, answers: { [output]: output }, carried: [], exit, macs: 1 },
      { id: 'big', model: big, answers: { [output]: output }, carried: [], macs: 1 },
    ],
    inputs,
    outputs,
  };
  const before = cloneModel(small);
  const single = await open(t, await nestedIf(staged));
  assert.deepEqual(small, before);
  const exits = new Set<number>();
  for (const [i, x] of samples.entries()) {
    const found = await single.run({ x });
    const answers = [await sessions[0]!.run({ x }), await sessions[1]!.run({ x })];
    const left = sure[i]! >= exit.threshold ? 0 : 1;
    assert.deepEqual(exitsOf(found), [left]);
    near(found[output]!, answers[left]![output]!, `sample ${i}`);
    exits.add(left);
  }
  assert.equal(exits.size, 2);
});

test('a name that is taken for the exit, and one that a nested graph uses', async (t) => {
  const model = parseText(`<ir_version: 8, opset_import: ["" : 17]>
    agraph (float[N, 2] x) => (float[N, 2] y, float[N, 2] ${EXIT_OUTPUT}) {
      s = Abs(x) y = Exp(s) ${EXIT_OUTPUT} = Neg(y) }`);
  const exit = {
    scores: 's',
    scale: 'logits',
    temperature: 1,
    confidence: 'margin',
    threshold: 0.5,
  } as const;
  const staged = splitStages(model, [{ cut: [], answers: { y: 's', [EXIT_OUTPUT]: 's' }, exit }]);
  const one = await nestedIf(staged);
  assert.equal(one.graph.outputs.length, 2);
  const single = await open(t, one);
  const answer = await single.run({ x: Tensor.float32([1, 2], [5, 0]) });
  assert.deepEqual([...answer[EXIT_OUTPUT]!.as('float32')], [5, 0]);
  const unsure = await single.run({ x: Tensor.float32([1, 2], [0, 0]) });
  assert.deepEqual([...unsure[EXIT_OUTPUT]!.as('float32')], [-1, -1]);
});

test('the largest float32 below a threshold', () => {
  for (const threshold of [0.5, 0.1, 1, 0.7, 1e-3, -0.3, 0]) {
    const under = below(threshold);
    assert.equal(Math.fround(under), under);
    assert.ok(under < threshold);
    const next = (x: number) => {
      const at = new Float32Array([x]);
      const bits = new Int32Array(at.buffer);
      bits[0] = bits[0]! + (x > 0 ? 1 : -1);
      return x === -(2 ** -149) ? 0 : at[0]!;
    };
    assert.ok(next(under) >= threshold, `${threshold}: ${under} then ${next(under)}`);
  }
  assert.equal(below(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
});
