import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryModel } from '../../../test/random-model.ts';
import { sharedData } from '../../../test/shared-data.ts';
import { ModicumError, Random } from '../../base/index.ts';
import {
  type Attribute,
  assertValid,
  decodeModel,
  encodeModel,
  type Graph,
  type Model,
  makeNode,
  parseGraph,
  parseText,
  printText,
  type ValueInfo,
  walkGraphs,
} from '../index.ts';

/** Equality of models by their bytes: tensors keep theirs private. */
function same(a: Model, b: Model): boolean {
  return Buffer.from(encodeModel(a)).equals(encodeModel(b));
}

/** Without what the syntax has no words for. */
function sayable(model: Model): Model {
  const plain = ({ name, type }: ValueInfo): ValueInfo => ({ name, type });
  for (const graph of walkGraphs(model.graph)) {
    Object.assign(graph, {
      doc: undefined,
      metadata: undefined,
      quantization: undefined,
      initializerMetadata: undefined,
    });
    graph.inputs = graph.inputs.map(plain);
    graph.outputs = graph.outputs.map(plain);
    for (const [name, info] of graph.values) graph.values.set(name, plain(info));
    for (const node of graph.nodes)
      Object.assign(node, { doc: undefined, metadata: undefined, device: undefined });
  }
  return model;
}

test('parse(print(m)) is m, for models that hold everything there is', () => {
  const kinds = new Set<string>();
  const note = (graph: Graph) => {
    for (const node of graph.nodes) for (const { type } of node.attributes.values()) kinds.add(type);
  };
  fc.assert(
    fc.property(arbitraryModel, (model) => {
      for (const graph of walkGraphs(model.graph)) note(graph);
      const printed = printText(model);
      const parsed = parseText(printed);
      assert.ok(same(parsed, model), printed);
      assert.equal(printText(parsed), printed);
    }),
    { seed: 3, numRuns: 600 },
  );
  assert.equal(kinds.size, 15, `every kind of attribute was seen: ${[...kinds]}`);
});

for (const name of [
  'mnist/mnist-8.onnx',
  'keywords/alibaba_kws.onnx',
  'silero-vad/silero_vad_half.onnx',
  'mlperf-tiny/alibaba_vww.onnx',
]) {
  test(`${name} comes back from its text bit by bit`, (t) => {
    const path = sharedData(name);
    if (path === undefined) return t.skip('data absent');
    const model = sayable(decodeModel(readFileSync(path)));
    assert.ok(same(parseText(printText(model)), model));
  });
}

test('the text itself', () => {
  const source = `<
  ir_version: 10,
  opset_import: ["" : 21, "local" : 1],
  producer_name: "a \\"b\\""
>
main (float[N,3] x, optional(seq(float[])) o) => (float[N,?] "out/y") <
  float[3] w = {1, -0.5, nan},
  int64 k = {9223372036854775807},
  float16[2] h = {15360, 0},
  string[1] s = {"two
lines"},
  float[N,3] t
> {
  [first] t = Add (x, w)
  c = If (k) <
    then_branch: graph = a () => (float[] r) {
      r = Relu (t)
    },
    else_branch: graph = b () => (float[] q) {
      q = local.Scale <by: float = 0.1, axes: ints = []> (t, "", w)
    }
  >
  "out/y", "" = com.example.Op <mode: string = "x", v: tensor = bool[2] {1, 0}, t: type_proto = map(int64, double[2])> (c)
}

<
  domain: "local",
  opset_import: ["" : 21]
>
Scale <axes, by: float = 2> (a, b, c) => (d) {
  d = Mul <by: float = @by> (a, c)
}
`;
  const model = parseText(source);
  assert.equal(printText(model), source);
  assert.match(printText(model, { maxElements: 1 }), /float\[3\] w = \.\.\./);
  assert.throws(() => parseText(printText(model, { maxElements: 1 })), {
    code: 'TEXT_INVALID',
    message: /left out when this was printed/,
  });
  assert.equal(printText(model.graph.nodes[0]!), '[first] t = Add (x, w)');
  assert.equal(printText(parseGraph(printText(model.graph))), printText(model.graph));
});

test('what a person may write: comments, no annotations, absent operands, attributes last, no header', () => {
  const model = parseText(`
    # A comment.
    agraph (float y = {1.0}, float[N] z) => (w)   # and another
    <float[2] w1 = {1.0, 2e0}, float[N] x>
    {
       x = foo(y, , z, w1)
       [named] v = bar(,x) <a = 100, b = 200.5, c = "text", d = [5, 10], e = [0.5, 1], f = ["p", "q"], g : float = 2>
       w = com.example.baz : over <t = float[2] {1, 2}> ("", x,)
       = sink(,)
    }`);
  const [foo, bar, baz, sink] = model.graph.nodes;
  assert.equal(model.irVersion, 10);
  assert.deepEqual(foo?.inputs, ['y', '', 'z', 'w1']);
  assert.deepEqual(model.graph.initializers.get('y')?.numbers(), [1]);
  assert.deepEqual(model.graph.initializers.get('w1')?.numbers(), [1, 2]);
  assert.deepEqual([...model.graph.values.keys()], ['x']);
  assert.equal(bar?.name, 'named');
  assert.deepEqual(bar?.inputs, ['', 'x']);
  const expected: [string, Attribute][] = [
    ['a', { type: 'int', value: 100 }],
    ['b', { type: 'float', value: 200.5 }],
    ['c', { type: 'string', value: 'text' }],
    ['d', { type: 'ints', value: [5, 10] }],
    ['e', { type: 'floats', value: [0.5, 1] }],
    ['f', { type: 'strings', value: ['p', 'q'] }],
    ['g', { type: 'float', value: 2 }],
  ];
  assert.deepEqual([...(bar?.attributes ?? [])], expected);
  assert.equal(baz?.domain, 'com.example');
  assert.equal(baz?.overload, 'over');
  assert.deepEqual(baz?.inputs, ['', 'x']);
  assert.deepEqual(sink, { ...makeNode('sink', [''], []), overload: undefined });
});

test('a model with functions that a person wrote is sound', () => {
  assertValid(
    parseText(`<ir_version: 9, opset_import: [ "" : 15, "custom" : 1]>
      agraph (float[N] x) => (float[N] out) { out = custom.foo<alpha=2.0, gamma=3.0>(x) }
      <domain: "custom", opset_import: [ "ai.onnx" : 15], doc_string: "foo">
      foo <alpha: float=4.0, gamma> (float[N] X) => (C) <float ca> {
        ca = Constant<value_float: float=@alpha>()
        cg = Constant<value_float: float=@gamma>()
        C = Add(ca, cg)
      }`),
  );
});

const FAULTS: readonly (readonly [text: string, line: number, column: number, why: RegExp])[] = [
  ['', 1, 1, /name of a graph.*the end/],
  ['g (float x) => (float x) {', 1, 27, /expected = but found the end/],
  ['g (float x) =>\n  (flot x) {}', 2, 9, /expected \)/],
  ['<ir_version: 3.5> g () => () {}', 1, 14, /version/],
  ['<speed: 3> g () => () {}', 1, 2, /no keyword of a model/],
  ['g () => () { x = Op <a = []> () }', 1, 26, /needs its type/],
  ['g () => () { x = Op <a: int = 1.5> () }', 1, 23, /float, not int/],
  ['g () => () { x = Op <a: whole = 1> () }', 1, 23, /no type of attribute/],
  ['g () => () { x = Op <a: toString = 1> () }', 1, 23, /no type of attribute/],
  ['g () => () { x = Op <a = 1, a = 2> () }', 1, 29, /there already/],
  ['g () => () { x = Op <a = [1, "b"]> () }', 1, 26, /differ in type/],
  ['g () => () { x = Op <a = "never ends> () }', 1, 26, /no end/],
  ['g () => () { x = Op <a = 99999999999999999999> () }', 1, 26, /64 bits/],
  ['g () => () { x = Op <a = 1e99> () }', 1, 26, /too large/],
  ['g () => () { x = Op <a = float[2] {1}> () }', 1, 35, /takes 2 numbers, not 1/],
  ['g () => () { x = Op <a = float[N] {1}> () }', 1, 35, /whole dimensions/],
  ['g () => () { x = Op <a = int8[1] {200}> () }', 1, 34, /200 is no int8/],
  ['g () => () { x = Op <a = int8[1] {1.5}> () }', 1, 35, /takes no float/],
  ['g () => () { x = Op <a = string[1] {1}> () }', 1, 37, /takes no int/],
  ['g () => () { x = Op <a = float[1] raw "zz"> () }', 1, 39, /hexadecimal/],
  ['g () => () { x = Op <a = float[1] raw "00"> () }', 1, 35, /takes 4 bytes/],
  ['g () => () { x = Op <a = float[1] w []> () }', 1, 37, /location/],
  ['g () => () {} <domain: "d", opset_import: []> f () => () {} rest', 1, 65, /\( but found the end/],
  ['g (float x = {1}) => () <float x = {1}> {}', 1, 26, /data already/],
];

for (const [text, line, column, why] of FAULTS) {
  test(`a fault is found where it is: ${text.slice(0, 60)}`, () => {
    assert.throws(
      () => parseText(text),
      (error: unknown) => {
        assert.ok(error instanceof ModicumError);
        assert.equal(error.code, 'TEXT_INVALID');
        assert.match(error.message, why);
        assert.deepEqual([error.data.line, error.data.column], [line, column], error.message);
        return true;
      },
    );
  });
}

test('external data is asked for by name', () => {
  const text = 'g () => () <float[2] w = ["location": "w.bin", "offset": "4", "length": "8"]> {}';
  assert.throws(() => parseText(text), { code: 'EXTERNAL_MISSING' });
  const asked: unknown[] = [];
  const model = parseText(text, {
    external: (location, offset, length) => {
      asked.push([location, offset, length]);
      return { byteLength: length, read: () => new Uint8Array(new Float32Array([1, 2]).buffer) };
    },
  });
  assert.deepEqual(asked, [['w.bin', 4, 8]]);
  assert.deepEqual(model.graph.initializers.get('w')?.numbers(), [1, 2]);
});

test('nesting without end is refused and not followed', () => {
  const deep = `${'g () => () { x = If (c) <b = '.repeat(5000)}`;
  assert.throws(() => parseText(deep), { code: 'TEXT_INVALID', message: /levels deep/ });
  assert.throws(() => parseText(`g (${'seq('.repeat(1e5)}`), { code: 'TEXT_INVALID' });
  assert.throws(() => parseText(`g () => () { x = Op <a = ${'['.repeat(1e5)}`), { code: 'TEXT_INVALID' });
});

test('long texts take time in proportion to their length', () => {
  const started = performance.now();
  const many = 300_000;
  for (const text of [
    '# comment\n'.repeat(many),
    `"${'\\"'.repeat(many)}`,
    `"${'a'.repeat(many)}" (`,
    '"a" '.repeat(many),
  ])
    assert.throws(() => parseText(text), { code: 'TEXT_INVALID' });
  parseText(`g () => () <float[${many}] w = {${'1.5, '.repeat(many - 1)}1}> {}`);
  assert.ok(performance.now() - started < 20_000);
});

test('mutated texts parse or are refused with TEXT_INVALID, and nothing else', () => {
  const random = new Random(17);
  const [samples] = [fc.sample(arbitraryModel, { seed: 8, numRuns: 60 }).map((model) => printText(model))];
  const shreds = [
    '<',
    '>',
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    '=',
    ',',
    '"',
    '\\',
    '...',
    '-',
    '?',
    '@',
    '#',
    'seq(',
    'float',
    '9e999',
    'raw',
    '\u0000',
  ];
  const seen = { parsed: 0, refused: 0 };
  for (let i = 0; i < 6000; i++) {
    let text = samples[random.below(samples.length)]!;
    for (let n = 1 + random.below(3); n > 0; n--) {
      const at = random.below(text.length + 1);
      const to = Math.min(text.length, at + random.below(8));
      const kind = random.below(4);
      if (kind === 0) text = text.slice(0, at) + text.slice(to);
      else if (kind === 1) text = text.slice(0, at) + shreds[random.below(shreds.length)] + text.slice(to);
      else if (kind === 2) text = text.slice(0, at) + samples[random.below(samples.length)]!.slice(at);
      else text = text.slice(0, at);
    }
    try {
      encodeModel(parseText(text));
      seen.parsed += 1;
    } catch (error) {
      const known =
        error instanceof ModicumError && ['TEXT_INVALID', 'EXTERNAL_MISSING'].includes(error.code);
      assert.ok(known, `${String(error)}\n${text}`);
      seen.refused += 1;
    }
  }
  assert.ok(seen.parsed > 100 && seen.refused > 1000, JSON.stringify(seen));
});
