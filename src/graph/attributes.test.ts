import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ATTRIBUTE_TYPE_NUMBERS,
  attr,
  floatOf,
  floatsOf,
  graphOf,
  intOf,
  intsOf,
  makeGraph,
  makeNode,
  stringOf,
  Tensor,
  tensorOf,
} from './index.ts';
import { AttributeProto_AttributeType } from './wire/onnx_pb.ts';

const tensor = Tensor.float32([1], [1]);
const graph = makeGraph({ inputs: [], outputs: [], nodes: [] });
const node = makeNode('Op', [], [], {
  i: attr.int(-3),
  big: attr.int(2n ** 62n),
  is: attr.ints([1, 2]),
  f: attr.float(0.5),
  fs: attr.floats([0.5, 1]),
  s: attr.string('text'),
  bytes: { type: 'string', value: new TextEncoder().encode('bytes') },
  t: attr.tensor(tensor),
  g: attr.graph(graph),
});

test('attributes are read by their type', () => {
  assert.equal(intOf(node, 'i'), -3);
  assert.equal(intOf(node, 'big'), 2 ** 62);
  assert.deepEqual(intsOf(node, 'is'), [1, 2]);
  assert.equal(floatOf(node, 'f'), 0.5);
  assert.deepEqual(floatsOf(node, 'fs'), [0.5, 1]);
  assert.equal(stringOf(node, 's'), 'text');
  assert.equal(stringOf(node, 'bytes'), 'bytes');
  assert.equal(tensorOf(node, 't'), tensor);
  assert.equal(graphOf(node, 'g'), graph);
});

test('what is absent is the default, or undefined', () => {
  assert.equal(intOf(node, 'none', 7), 7);
  assert.equal(intOf(node, 'none'), undefined);
  assert.equal(floatOf(node, 'none', 0.1), 0.1);
  assert.equal(stringOf(node, 'none', 'x'), 'x');
  for (const of of [intsOf, floatsOf, tensorOf, graphOf, floatOf, stringOf])
    assert.equal((of as (from: typeof node, name: string) => unknown)(node, 'none'), undefined);
});

test('an attribute of another type is refused, and not taken for absent', () => {
  assert.throws(() => intOf(node, 'f', 1), {
    code: 'MODEL_INVALID',
    message: /attribute f of Op is float, not int/,
  });
  assert.throws(() => tensorOf(node, 'g'), { code: 'MODEL_INVALID' });
});

test('the numbers of attribute types are those of the format', () => {
  for (const [name, number] of Object.entries(ATTRIBUTE_TYPE_NUMBERS))
    assert.equal(AttributeProto_AttributeType[number], name.toUpperCase());
  const known = Object.values(AttributeProto_AttributeType).filter(
    (value) => typeof value === 'number' && value > 0,
  );
  assert.equal(known.length, Object.keys(ATTRIBUTE_TYPE_NUMBERS).length);
});
