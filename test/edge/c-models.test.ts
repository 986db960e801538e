import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { ModicumError, Random } from '../../src/base/index.ts';
import { openDataset } from '../../src/data/index.ts';
import { emitC } from '../../src/edge/index.ts';
import { loadModel } from '../../src/files/index.ts';
import { type Model, makeGraph, makeModel, makeNode, Tensor, tensorType } from '../../src/graph/index.ts';
import type { Feeds } from '../../src/run/index.ts';
import { randomGraph } from '../contracts/random-graph.ts';
import { ROOT, sharedData } from '../shared-data.ts';
import { answersInC, differing, hasCompiler, SANITIZED } from './c-programs.ts';
import { compiledAnswers, prepared } from './compiled.ts';
import { cleaned, datasetOf, quantized } from './quantized.ts';

const skip = hasCompiler() ? false : 'no gcc';

/** Normal numbers for float inputs, small whole ones for others. */
function feedsFor({ graph }: Model, seed: number): Record<string, Tensor> {
  const random = new Random(seed);
  return Object.fromEntries(
    graph.inputs.map(({ name, type }) => {
      assert.ok(type.kind === 'tensor');
      const dims = type.shape as number[];
      const numbers = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () =>
        type.dtype === 'float32' ? random.normal() : random.below(3),
      );
      const tensor = type.dtype === 'float32' ? Tensor.float32(dims, numbers) : Tensor.int64(dims, numbers);
      return [name, tensor];
    }),
  );
}

const FLOAT = [
  'examples/keyword-spotter/light.onnx',
  'examples/keyword-spotter/heavy.onnx',
  'examples/recommender/light.onnx',
  'examples/recommender/heavy.onnx',
  'examples/driving/light.onnx',
  'mnist/mnist-8.onnx',
  'mlperf-tiny/alibaba_ad.onnx',
];

test('trained models in C give the bits of the scalar module', { skip }, async (t) => {
  const trials: { model: Model; feeds: Feeds; name: string }[] = [];
  for (const name of FLOAT) {
    const path = name.startsWith('examples/') ? join(ROOT, name) : sharedData(name);
    if (path === undefined) {
      t.diagnostic(`${name}: absent`);
      continue;
    }
    const model = await cleaned(await loadModel(path));
    trials.push({ model, feeds: feedsFor(model, 1), name });
  }
  const { answers } = await answersInC(trials, { flags: ['-O2'] });
  for (const [i, { model, feeds, name }] of trials.entries()) {
    assert.deepEqual(differing(answers[i], await compiledAnswers(model, feeds, 'scalar')), [], name);
  }
});

describe('int8 in C', { skip }, () => {
  let model: Model;
  const feeds = (seed: number): Record<string, Tensor> => {
    const random = new Random(seed);
    const numbers = Float32Array.from({ length: 490 }, () => -3 + 16 * random.normal());
    return { mfcc: Tensor.float32([1, 1, 49, 10], numbers) };
  };
  before(async () => {
    const data = await openDataset(join(ROOT, 'examples/keyword-spotter/data.npz'));
    model = await quantized(await loadModel(join(ROOT, 'examples/keyword-spotter/light.onnx')), data);
  });

  test('gives the bits of SIMD, where no fast compiler option is left out', async () => {
    const trials = [1, 2, 3].map((seed) => ({ model, feeds: feeds(seed) }));
    for (const flags of [['-O2'], ['-O0', ...SANITIZED], ['-O3', '-march=native', '-funroll-loops']]) {
      const { answers } = await answersInC(trials, { flags });
      for (const [i, trial] of trials.entries()) {
        const wanted = await compiledAnswers(model, trial.feeds, 'simd');
        assert.deepEqual(differing(answers[i], wanted), [], flags.join(' '));
      }
    }
  });

  test('a planted fault is noticed', async () => {
    const wanted = await compiledAnswers(model, feeds(1), 'simd');
    const numberOf = (source: string) =>
      /static const float m\d+_w\d+_\w+\[\d+\] = \{\n {4}(\S+)F,/.exec(source)!;
    const faults: ((source: string) => string)[] = [
      (source) => source.replace(numberOf(source)[0], (whole) => whole.replace(/\S+F,$/, '77.0F,')),
      (source) => source.replace('x + 12582912.0F', 'x + 12582913.0F'),
      (source) => source.replace(/_mul\(xv(\d+), wv(\d+)\)/, '_add(xv$1, wv$2)'),
    ];
    for (const fault of faults) {
      let changed = false;
      const change = (source: string) => {
        const other = fault(source);
        changed = other !== source;
        return other;
      };
      const { answers } = await answersInC([{ model, feeds: feeds(1) }], { change });
      assert.ok(changed);
      assert.notDeepEqual(differing(answers[0], wanted), []);
    }
  });
});

test('random graphs in int8 give the same bits in C, in scalar and in SIMD code', { skip }, async (t) => {
  const trials: { model: Model; feeds: Feeds; story: string }[] = [];
  const refused: string[] = [];
  for (let seed = 1; seed <= 60; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    try {
      const int8 = await quantized(await prepared(model, feeds), datasetOf([feeds]));
      if (!int8.graph.nodes.some(({ op }) => op === 'DequantizeLinear')) continue;
      emitC(int8, { name: 'm' });
      trials.push({ model: int8, feeds, story });
    } catch (cause) {
      if (!(cause instanceof ModicumError)) throw cause;
      refused.push(cause.message);
    }
  }
  t.diagnostic(
    `${trials.length} compiled, ${refused.length} refused: ${[...new Set(refused)].join('; ').slice(0, 900)}`,
  );
  assert.ok(trials.length >= 20);
  const { answers } = await answersInC(trials, { flags: ['-O0', ...SANITIZED] });
  for (const [i, { model, feeds, story }] of trials.entries()) {
    assert.deepEqual(differing(answers[i], await compiledAnswers(model, feeds, 'scalar')), [], story);
  }
});

test('an index that is not there ends the run, and nothing is read', { skip }, async () => {
  const model = makeModel(
    makeGraph({
      inputs: [{ name: 'ids', type: tensorType('int64', [2]) }],
      outputs: [{ name: 'rows', type: tensorType('float32', [2, 3]) }],
      nodes: [makeNode('Gather', ['table', 'ids'], ['rows'])],
      initializers: new Map([
        ['table', Tensor.float32([2, 3], [1, 2, 3, Number.NEGATIVE_INFINITY, 5, 1e-42])],
      ]),
    }),
    17,
  );
  const ids = (...values: number[]) => ({ model, feeds: { ids: Tensor.int64([2], values) } });
  const { answers } = await answersInC([ids(1, -2), ids(2, 0), ids(0, -3)], { flags: SANITIZED });
  assert.deepEqual(answers[0]?.rows?.numbers(), [
    ...[Number.NEGATIVE_INFINITY, 5, Math.fround(1e-42)],
    ...[1, 2, 3],
  ]);
  assert.deepEqual(answers.slice(1), [undefined, undefined]);
});

test('names that C does not take are refused, and odd names of a graph become names of C', {
  skip,
}, async () => {
  const odd = 'in/put:0 */ "??=';
  const model = makeModel(
    makeGraph({
      inputs: [
        { name: odd, type: tensorType('float32', [2]) },
        { name: 'in put 0', type: tensorType('float32', [2]) },
      ],
      outputs: [{ name: 'float', type: tensorType('float32', [2]) }],
      nodes: [makeNode('Add', [odd, 'in put 0'], ['float'], {}, { name: odd })],
    }),
    17,
  );
  for (const name of ['1st', 'a-b', 'int', '']) {
    assert.throws(() => emitC(model, { name }), { code: 'USAGE_BAD_OPTION' });
  }
  const feeds = { [odd]: Tensor.float32([2], [1, 2]), 'in put 0': Tensor.float32([2], [10, 20]) };
  const { answers } = await answersInC([{ model, feeds }]);
  assert.deepEqual(answers[0]?.float?.numbers(), [11, 22]);
});
