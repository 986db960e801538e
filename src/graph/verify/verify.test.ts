import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sharedData } from '../../../test/shared-data.ts';
import { randomGraph } from '../../../test/symbolic.ts';
import {
  assertValid,
  attr,
  decodeModel,
  type FunctionDef,
  type Graph,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  type RULES,
  Tensor,
  tensorType,
  verify,
} from '../index.ts';

const type = tensorType('float32', [2]);
const port = (name: string) => ({ name, type });

function fn(name: string, nodes: FunctionDef['nodes'], outputs = ['o']): FunctionDef {
  const opsets = new Map([
    ['', 21],
    ['local', 1],
  ]);
  return {
    name,
    domain: 'local',
    inputs: ['i'],
    outputs,
    attributes: [],
    defaults: new Map(),
    nodes,
    opsets,
    values: new Map(),
  };
}

/** A sound model with a bit of everything, fresh each time. */
function soundModel(): Model {
  const branch = (name: string): Graph =>
    makeGraph({
      name,
      inputs: [],
      outputs: [port(`${name}_out`)],
      nodes: [makeNode('Relu', ['h'], [`${name}_out`])],
    });
  const graph = makeGraph({
    inputs: [port('x'), port('d')],
    outputs: [port('y')],
    initializers: new Map([
      ['w', Tensor.float32([2], [1, 2])],
      ['d', Tensor.float32([2], [1, 2])],
    ]),
    sparseInitializers: [
      { name: 'sp', dims: [4], values: Tensor.float32([1], [1]), indices: Tensor.int64([1], [2]) },
    ],
    nodes: [
      makeNode('Add', ['x', 'w'], ['h'], {}, { name: 'add' }),
      makeNode('If', ['x'], ['c'], {
        then_branch: attr.graph(branch('then')),
        else_branch: attr.graph(branch('else')),
      }),
      makeNode('Twice', ['c'], ['t'], {}, { domain: 'local' }),
      makeNode('Softmax', ['t'], ['y'], { axis: attr.int(0) }),
    ],
  });
  const twice = makeNode('LeakyRelu', ['i'], ['o']);
  twice.attributes.set('alpha', { type: 'reference', value: 'slope', refType: 1 });
  return makeModel(graph, 21, {
    opsets: new Map([
      ['', 21],
      ['local', 1],
    ]),
    functions: [{ ...fn('Twice', [twice]), attributes: ['slope'] }],
  });
}

/** Each rule, and breaches that it (and only it) must find. */
const BREACHES: Record<keyof typeof RULES, readonly ((model: Model) => void)[]> = {
  'defined-once': [
    ({ graph }) => graph.nodes.push(makeNode('Relu', ['x'], ['h'])),
    ({ graph }) => graph.inputs.push(port('x')),
    ({ graph }) => graph.nodes.push(makeNode('Relu', ['x'], ['w'])),
    ({ graph }) => graph.sparseInitializers.push({ ...graph.sparseInitializers[0]!, name: 'w' }),
    ({ graph }) => branchOf(graph).nodes.push(makeNode('Relu', ['x'], ['h'])),
    ({ functions }) => functions[0]?.nodes.push(makeNode('Relu', ['i'], ['o'])),
  ],
  'inputs-defined': [
    ({ graph }) => graph.nodes.push(makeNode('Relu', ['nowhere'], ['z'])),
    ({ graph }) => graph.nodes.reverse(),
    ({ graph }) => branchOf(graph).nodes.push(makeNode('Relu', ['t'], ['late'])),
    ({ functions }) => functions[0]?.nodes.push(makeNode('Relu', ['h'], ['outer'])),
  ],
  'outputs-defined': [
    ({ graph }) => graph.outputs.push(port('nowhere')),
    ({ graph }) => branchOf(graph).outputs.splice(0, 1, port('t')),
    ({ functions }) => functions[0]?.outputs.push('nowhere'),
  ],
  'names-given': [
    ({ graph }) => graph.inputs.push(port('')),
    ({ graph }) => graph.outputs.push(port('')),
    ({ graph }) => graph.initializers.set('', Tensor.float32([], [1])),
    ({ graph }) => graph.sparseInitializers.push({ ...graph.sparseInitializers[0]!, name: '' }),
    ({ graph }) => graph.nodes.push(makeNode('', ['x'], ['z'])),
    ({ graph }) => graph.nodes.push(makeNode('Nop', [], [])),
  ],
  'ports-typed': [({ graph }) => graph.inputs.push({ name: 'u', type: { kind: 'unknown' } })],
  'defaults-fit': [
    ({ graph }) => graph.initializers.set('d', Tensor.int64([2], [1, 2])),
    ({ graph }) => graph.initializers.set('d', Tensor.float32([1], [1])),
    ({ graph }) => graph.initializers.set('d', Tensor.float32([2, 1], [1, 2])),
  ],
  'sparse-consistent': [
    ({ graph }) =>
      graph.sparseInitializers.push({
        ...graph.sparseInitializers[0]!,
        name: 'q',
        indices: Tensor.int64([2], [0, 1]),
      }),
    ({ graph }) =>
      graph.sparseInitializers.push({
        ...graph.sparseInitializers[0]!,
        name: 'q',
        indices: Tensor.float32([1], [0]),
      }),
    ({ graph }) =>
      graph.sparseInitializers.push({
        ...graph.sparseInitializers[0]!,
        name: 'q',
        indices: Tensor.int64([1, 2], [0, 0]),
      }),
  ],
  'opsets-sane': [
    (model) => model.opsets.set('', 0),
    (model) => {
      model.irVersion = 0.5;
    },
    (model) => {
      model.opsets.clear();
      model.graph.nodes.splice(0);
      model.graph.outputs = [port('x')];
    },
  ],
  'opset-imported': [
    ({ graph }) => graph.nodes.push(makeNode('FusedConv', ['x'], ['z'], {}, { domain: 'com.microsoft' })),
    ({ graph }) => branchOf(graph).nodes.push(makeNode('F', ['x'], ['z'], {}, { domain: 'elsewhere' })),
    ({ functions }) => functions[0]?.opsets.delete(''),
  ],
  'attributes-typed': [
    ({ graph }) => graph.nodes[3]?.attributes.set('axis', attr.float(0)),
    ({ graph }) => graph.nodes[3]?.attributes.set('', attr.int(0)),
    ({ graph }) => graph.nodes[3]?.attributes.set('axis', { type: 'reference', value: 'a', refType: 2 }),
    ({ functions }) =>
      functions[0]?.nodes[0]?.attributes.set('alpha', { type: 'reference', value: 'a', refType: 2 }),
  ],
  'branches-fit': [
    ({ graph }) => graph.nodes[1]?.attributes.delete('else_branch'),
    ({ graph }) => branchOf(graph).inputs.push(port('p')),
    ({ graph }) => branchOf(graph).outputs.push(port('x')),
    ({ graph }) => graph.nodes.push(makeNode('Loop', ['x', 'x'], [])),
    ({ graph }) =>
      graph.nodes.push(
        makeNode('Loop', ['x', 'x'], ['l'], {
          body: attr.graph(makeGraph({ inputs: [port('i')], outputs: [port('i')], nodes: [] })),
        }),
      ),
  ],
  'functions-unique': [
    ({ functions }) => functions.push(fn('Twice', [makeNode('Relu', ['i'], ['o'])])),
    ({ functions }) => functions.push(fn('', [makeNode('Relu', ['i'], ['o'])])),
  ],
  'functions-sane': [
    ({ functions }) => functions[0]?.outputs.push('o'),
    ({ functions }) => functions[0]?.defaults.set('slope', attr.float(1)),
  ],
  'functions-end': [
    ({ functions }) =>
      functions.push(
        fn('A', [makeNode('B', ['i'], ['o'], {}, { domain: 'local' })]),
        fn('B', [makeNode('A', ['i'], ['o'], {}, { domain: 'local' })]),
      ),
  ],
};

function branchOf(graph: Graph): Graph {
  const attribute = graph.nodes[1]?.attributes.get('then_branch');
  assert.ok(attribute?.type === 'graph');
  return attribute.value;
}

test('a sound model has no findings', () => {
  assert.deepEqual(verify(soundModel()), []);
  assertValid(soundModel());
  for (let seed = 0; seed < 50; seed++) assert.deepEqual(verify(makeModel(randomGraph(seed))), []);
});

for (const [rule, breaches] of Object.entries(BREACHES)) {
  test(`rule ${rule} finds its ${breaches.length} breaches`, () => {
    assert.ok(breaches.length > 0);
    for (const [i, breach] of breaches.entries()) {
      const model = soundModel();
      breach(model);
      const found = new Set(verify(model).map((finding) => finding.rule));
      assert.ok(found.has(rule), `breach ${i} of ${rule} was not found, but ${[...found]}`);
      assert.throws(() => assertValid(model), { code: 'MODEL_INVALID' });
    }
  });
}

test('a finding says where it is, and assertValid counts the rest', () => {
  const model = soundModel();
  branchOf(model.graph).nodes.push(makeNode('Relu', ['nowhere'], ['z'], {}, { name: 'lost' }));
  const [finding] = verify(model);
  assert.deepEqual(finding, {
    rule: 'inputs-defined',
    where: 'graph/If(c).then_branch',
    message: 'lost reads "nowhere", which nothing defines',
    node: 'lost',
    value: 'nowhere',
  });
  for (let i = 0; i < 4; i++) model.graph.nodes.push(makeNode('Relu', ['gone'], [`z${i}`]));
  assert.throws(() => assertValid(model), /and 2 more$/);
});

test('large models are checked in time: long chains of calls, many names', () => {
  const call = (i: number) => makeNode(`f${i}`, ['i'], ['o'], {}, { domain: 'local' });
  const many = 50_000;
  const functions = Array.from({ length: many }, (_, i) =>
    fn(`f${i}`, [i === 0 ? makeNode('Relu', ['i'], ['o']) : call(i - 1)]),
  ).reverse();
  const model = soundModel();
  model.functions.push(...functions);
  const started = performance.now();
  assert.deepEqual(verify(model), []);
  model.functions.push(
    fn('last', [call(many)]),
    fn(`f${many}`, [makeNode('last', ['i'], ['o'], {}, { domain: 'local' })]),
  );
  assert.match(verify(model)[0]?.message ?? '', /local\.last -> local\.f50000 -> local\.last/);
  const names = Array.from({ length: many }, (_, i) => `v${i}`);
  model.functions = [fn('Twice', [makeNode('Many', ['i'], names, {}, { domain: 'local' })], names)];
  assert.deepEqual(verify(model), []);
  assert.ok(performance.now() - started < 20_000);
});

const MODELS = [
  'keywords/alibaba_kws.onnx',
  'magika/model/model.onnx',
  'mlperf-tiny/alibaba_ad.onnx',
  'mlperf-tiny/alibaba_vww.onnx',
  'mnist/mnist-8.onnx',
  'silero-vad/silero_vad_half.onnx',
  'silero-vad/silero_vad_op18_ifless.onnx',
  'ultraface/version-RFB-320.onnx',
];
for (const name of MODELS) {
  test(`${name} breaks no rule`, (t) => {
    const path = sharedData(name);
    if (path === undefined) return t.skip('data absent');
    assert.deepEqual(verify(decodeModel(readFileSync(path))), []);
  });
}
