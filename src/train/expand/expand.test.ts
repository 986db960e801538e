import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText } from '../../graph/index.ts';
import { Composer } from '../composer.ts';
import { differentiate } from '../differentiate/differentiate.ts';
import { expandNodes } from './index.ts';

const HEAD = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>';
const lstm = (attributes: string, inputs: string, more = '') =>
  `${HEAD} g (float[3,2,4] x, float[1,8,4] w, float[1,8,2] r${more}) => (float[] y) {
    a, h, c = LSTM<hidden_size=2${attributes}>(x, w, r${inputs})
    axes = Constant<value_ints=[0, 1, 2]>() y = ReduceSum<keepdims=0>(h, axes) }`;

const SHAPES = { x: [3, 2, 4], w: [1, 8, 4], r: [1, 8, 2] };

function composerOf(text: string, shapes: Readonly<Record<string, readonly number[]>> = SHAPES): Composer {
  return new Composer(parseText(text), shapes);
}

test('only nodes on the way to what is trained are expanded, and values keep their names', () => {
  const frozen = composerOf(lstm('', ''));
  // Nothing that is trained stands before it.
  differentiate(frozen, 'y', []);
  assert.ok(frozen.model.graph.nodes.some(({ op }) => op === 'LSTM'));
  const trained = composerOf(lstm('', ''));
  assert.deepEqual([...differentiate(trained, 'y', ['r']).keys()], ['r']);
  const { nodes } = trained.model.graph;
  assert.ok(nodes.every(({ op }) => op !== 'LSTM'));
  assert.deepEqual(
    ['a', 'h', 'c'].map((name) => nodes.filter(({ outputs }) => outputs.includes(name)).length),
    [1, 1, 1],
  );
});

test('a second call finds nothing to expand', () => {
  const to = composerOf(lstm('', ''));
  assert.equal(expandNodes(to), 1);
  assert.equal(expandNodes(to), 0);
});

/** Forms that are refused, with what the message says. */
const REFUSED: readonly (readonly [text: string, says: RegExp])[] = [
  [lstm(', activations=["Sigmoid", "Tanh", "Cube"]', ''), /with the activation "Cube" \(LSTM/],
  [lstm('', ', , lengths', ', int32[2] lengths'), /LSTM with sequence_lens that are fed/],
  [
    lstm('', ', , lengths').replace('a, h, c', 'lengths = Constant<value = int32[2] {3, 2}>() a, h, c'),
    /LSTM with sequences of several lengths/,
  ],
];

for (const [text, says] of REFUSED) {
  test(`refused: ${says.source}`, () => {
    const to = composerOf(text, text.includes('int32[2] lengths)') ? { ...SHAPES, lengths: [2] } : SHAPES);
    const before = to.model.graph.nodes.map(({ op }) => op);
    assert.throws(() => differentiate(to, 'y', ['w']), { code: 'TRAIN_NO_GRADIENT', message: says });
    assert.deepEqual(
      to.model.graph.nodes.map(({ op }) => op),
      before,
      'the graph stays as it was',
    );
  });
}

test('attention with a cache is refused', () => {
  const text = `${HEAD} g (float[1,2,4] q, float[1,2,4] k, float[1,2,4] v, float[1,2,3,2] past) => (float[] y) {
    a, pk, pv = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v, , , , past, past)
    axes = Constant<value_ints=[0, 1, 2]>() y = ReduceSum<keepdims=0>(a, axes) }`;
  const to = composerOf(text, { q: [1, 2, 4], k: [1, 2, 4], v: [1, 2, 4], past: [1, 2, 3, 2] });
  assert.throws(() => differentiate(to, 'y', ['q']), {
    code: 'TRAIN_NO_GRADIENT',
    message: /MultiHeadAttention with a cache/,
  });
});
