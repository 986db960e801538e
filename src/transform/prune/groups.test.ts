import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRUNE_NETS } from '../../../test/prune-nets.ts';
import { attr, cloneModel, type Model, makeNode, parseText } from '../../graph/index.ts';
import { cutUnits } from './cut-units.ts';
import { pruneGroups } from './groups.ts';
import { printGroups } from './print-groups.ts';

const RESIDUAL = `<ir_version: 8, opset_import: ["": 17]>
g (float[N, 2, 4, 4] x) => (float[N, 3] y)
<float[4, 2, 1, 1] w1 = {1, 2, 3, 4, 5, 6, 7, 8}, float[4] b1 = {1, 2, 3, 4},
 float[4, 1, 1, 1] w2 = {1, 2, 3, 4}, float[4, 3] w3 = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}>
{
  [first] a = Conv(x, w1, b1)
  [second] b = Conv<group = 4>(a, w2)
  [sum] c = Add(a, b)
  p = GlobalAveragePool(c)
  f = Flatten(p)
  [last] y = MatMul(f, w3)
}`;

test('groups are printed as what forces what, and what keeps its size says why', () => {
  assert.equal(
    printGroups(pruneGroups(parseText(RESIDUAL))),
    `cutting a unit of w1[0] (4) saves 7 parameters and 51 MACs, and forces:
  w1[0], made by Conv first
  b1[0], goes along in Conv first
  w2[0], made by Conv second
  w3[0], read by MatMul last

keep their size:
  w1[1] (2): belongs to the input "x"
  w3[1] (3): reaches the output "y"
`,
  );
});

const reasonOf = (model: Model, id: string) =>
  pruneGroups(model).groups.find((group) => group.id === id)?.pinned;

test('what is not understood is pinned, and says so', () => {
  const model = parseText(RESIDUAL);
  const [first] = model.graph.nodes;
  const with_ = (...nodes: Parameters<typeof makeNode>[]) => {
    const copy = cloneModel(model);
    for (const node of nodes) copy.graph.nodes.push(makeNode(...node));
    return copy;
  };
  assert.equal(first!.outputs[0], 'a');
  assert.match(
    reasonOf(with_(['Strange', ['a'], ['z'], {}, { domain: 'my.domain', name: 'odd' }]), 'w1[0]')!,
    /read by Strange \(odd\)/,
  );
  assert.match(
    reasonOf(with_(['Softmax', ['a'], ['z'], { axis: attr.int(1) }, { name: 'soft' }]), 'w1[0]')!,
    /shared out by soft/,
  );
  assert.equal(reasonOf(with_(['Softmax', ['a'], ['z'], { axis: attr.int(2) }]), 'w1[0]'), undefined);
  assert.match(
    reasonOf(with_(['LRN', ['a'], ['z'], { size: attr.int(3) }, { name: 'lrn' }]), 'w1[0]')!,
    /order in lrn/,
  );
  // The number of channels becomes a factor.
  const read = with_(
    ['Shape', ['a'], ['s']],
    ['Cast', ['s'], ['t'], { to: attr.int(1) }, { name: 'as float' }],
  );
  assert.match(reasonOf(read, 'w1[0]')!, /size read by Cast \(as float\)/);
});

test('a weight that the caller may replace, or that two layers share, is seen to', () => {
  const open = parseText(RESIDUAL);
  open.graph.inputs.push({ name: 'b1', type: { kind: 'tensor', dtype: 'float32', shape: [4] } });
  assert.match(reasonOf(open, 'w1[0]')!, /belongs to the input "b1"/);
  const shared = parseText(RESIDUAL);
  shared.graph.nodes.splice(3, 0, makeNode('Conv', ['x', 'w1'], ['d']), makeNode('Add', ['c', 'd'], ['e']));
  shared.graph.nodes.find(({ op }) => op === 'GlobalAveragePool')!.inputs = ['e'];
  const groups = pruneGroups(shared);
  assert.deepEqual(
    cutUnits(shared, groups, new Map([['w1[0]', [1]]])).graph.initializers.get('w1')!.dims,
    [3, 2, 1, 1],
  );
});

test('cuts that cannot be are refused', () => {
  const model = parseText(RESIDUAL);
  const groups = pruneGroups(model);
  const refused = (id: string, units: number[], why: RegExp) =>
    assert.throws(() => cutUnits(model, groups, new Map([[id, units]])), why);
  refused('nowhere', [0], /there is no group "nowhere"/);
  refused('w1[0]', [4], /has 4 units, none with number 4/);
  refused('w1[0]', [0, 1, 2, 3], /nothing of "w1\[0\]" would remain/);
  refused('w3[1]', [0], /"w3\[1\]" reaches the output "y"/);
  const other = PRUNE_NETS.attention!(1);
  assert.throws(
    () =>
      cutUnits(
        other,
        { ...groups, axes: new Map([['w0', groups.axes.get('w1')!]]) },
        new Map([['w1[0]', [0]]]),
      ),
    /another shape/,
  );
});

test('cutting nothing is a copy', () => {
  const model = parseText(RESIDUAL);
  const copy = cutUnits(model, pruneGroups(model), new Map());
  assert.notEqual(copy, model);
  assert.deepEqual(copy, model);
});

test('a mean that is written as a sum and a factor counts what remains', () => {
  const model = parseText(`<ir_version: 8, opset_import: ["": 17]>
g (float[N, 2] x) => (float[N, 2] y)
<float[2, 4] w = {1, 2, 3, 4, 5, 6, 7, 8}, int64[1] last = {-1}, float part = {0.25}, float[4, 2] v = {1, 2, 3, 4, 5, 6, 7, 8}>
{
  a = MatMul(x, w)
  s = ReduceSum(a, last)
  m = Mul(s, part)
  b = Sub(a, m)
  y = MatMul(b, v)
}`);
  const groups = pruneGroups(model);
  assert.match(groups.groups[0]!.mixes!, /reduces over it/);
  const small = cutUnits(model, groups, new Map([['w[1]', [3, 1]]]));
  const factor = small.graph.nodes.find(({ op }) => op === 'Mul')!.inputs[1]!;
  assert.deepEqual(small.graph.initializers.get(factor)!.numbers(), [0.5]);
});
