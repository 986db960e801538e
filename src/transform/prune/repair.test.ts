import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answersOf } from '../../../test/contracts/pass-contract.ts';
import { Net, normalData, normals } from '../../../test/quantize-nets.ts';
import { Random } from '../../base/index.ts';
import { attr, cloneModel, type Model, makeNode, Tensor } from '../../graph/index.ts';
import { captureOf } from './capture.ts';
import { cutUnits, type UnitCut } from './cut-units.ts';
import { pruneGroups } from './groups.ts';
import { NormalEquations } from './normal-equations.ts';
import { windowsOf } from './patches.ts';
import { repairConsumers } from './repair.ts';

test('least squares finds the weights that made the rows, and the prior where rows say nothing', () => {
  const random = new Random(3);
  const [n, wanted] = [5, [1, -2, 0.5, 3, 0]];
  const sums = new NormalEquations(n, 2);
  for (let row = 0; row < 400; row++) {
    // The last unknown never has a say.
    const x = wanted.map((_, i) => (i === 4 ? 0 : random.normal()));
    const y = x.reduce((sum, value, i) => sum + value * wanted[i]!, 0);
    sums.add(
      (i) => x[i]!,
      (t) => (t === 0 ? y : 2 * y),
    );
  }
  const prior = Float64Array.from([0, 0, 0, 0, 7, 0, 0, 0, 0, 8]);
  const solved = sums.solve(prior, 1e-9);
  const near = [...wanted.slice(0, 4), 7, ...wanted.slice(0, 4).map((w) => 2 * w), 8];
  for (const [i, value] of near.entries())
    assert.ok(Math.abs(solved[i]! - value) < 1e-6, `${i}: ${solved[i]}`);
  assert.ok(sums.error(solved) < 1e-12 && Math.abs(sums.error(new Float64Array(10)) - 1) < 1e-12);
  // With all the ridge of the world nothing moves.
  assert.ok(sums.solve(prior, 1e12).every((value, i) => Math.abs(value - prior[i]!) < 1e-6));
});

test('windows are those of the runtime: strides, dilations, padding given or automatic', async () => {
  const random = new Random(1);
  for (const [attributes, size] of [
    [{ strides: attr.ints([2, 1]), pads: attr.ints([1, 0, 0, 2]) }, 3],
    [{ dilations: attr.ints([2, 2]) }, 2],
    [{ auto_pad: attr.string('SAME_UPPER'), strides: attr.ints([2, 2]) }, 3],
    [{ auto_pad: attr.string('SAME_LOWER') }, 2],
  ] as const) {
    const net = new Net(2);
    const weight = net.weight([4, 3, size, size]);
    const y = net.op('Conv', ['x', weight], attributes);
    const model = net.model([2, 3, 6, 7], [y]);
    const x = normals(random, [2, 3, 6, 7]);
    const made = (await answersOf(model, { x }))[y]!;
    const w = model.graph.initializers.get(weight)!.as('float32');
    const windows = windowsOf(model.graph.nodes[0]!, x.dims, made.dims, [size, size]);
    const values = x.as('float32');
    for (let place = 0; place < 2 * windows.places; place++) {
      const [sample, at] = [Math.floor(place / windows.places), place % windows.places];
      const list = windows.at(sample, at);
      for (let o = 0; o < 4; o++) {
        let sum = 0;
        for (let i = 0; i < windows.size; i++)
          if (list[i]! >= 0) sum += w[o * windows.size + i]! * values[list[i]!]!;
        assert.ok(Math.abs(sum - made.as('float32')[(sample * 4 + o) * windows.places + at]!) < 1e-4);
      }
    }
  }
});

/** Of two layers in which the last channels of the first are mixtures of the others. */
function redundant(kind: 'Conv' | 'Gemm' | 'MatMul'): Model {
  const net = new Net(5);
  const mixed = (weight: string, axis: 0 | 1) => {
    const tensor = net.weights.get(weight)!;
    const values = tensor.as('float32').slice();
    const [outputs, rest] =
      axis === 0 ? [tensor.dims[0]!, values.length / tensor.dims[0]!] : [tensor.dims[1]!, tensor.dims[0]!];
    const at = (o: number, i: number) => (axis === 0 ? o * rest + i : i * outputs + o);
    for (let o = outputs / 2; o < outputs; o++) {
      for (let i = 0; i < rest; i++)
        values[at(o, i)] = 0.6 * values[at(o - outputs / 2, i)]! - 0.4 * values[at(0, i)]!;
    }
    net.weights.set(weight, Tensor.float32(tensor.dims, values));
  };
  if (kind === 'Conv') {
    const a = net.conv('x', 3, 8);
    mixed('w0', 0);
    return net.model(['N', 3, 6, 6], [net.conv(a, 8, 5)]);
  }
  if (kind === 'Gemm') {
    const a = net.gemm('x', 6, 8, true);
    mixed('w0', 0);
    const b = net.op('Gemm', [a, net.weight([8, 5]), net.weight([1, 5])], {
      alpha: attr.float(0.5),
      beta: attr.float(2),
    });
    return net.model(['N', 6], [b]);
  }
  const a = net.op('Add', [net.matmul('x', 6, 8), net.weight([8], 0.5)]);
  mixed('w0', 1);
  return net.model(['N', 6], [net.op('Add', [net.weight([5]), net.matmul(a, 8, 5)])]);
}

async function distance(
  model: Model,
  wanted: Model,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<number> {
  const [got, want] = [await answersOf(model, feeds), await answersOf(wanted, feeds)];
  let [error, size] = [0, 0];
  for (const [name, tensor] of Object.entries(want)) {
    const values = got[name]!.numbers();
    for (const [i, value] of tensor.numbers().entries()) {
      error += (values[i]! - value) ** 2;
      size += value ** 2;
    }
  }
  return error / size;
}

const LAST_HALF: UnitCut = new Map([['w0[0]', [4, 5, 6, 7]]]);

for (const kind of ['Conv', 'Gemm', 'MatMul'] as const) {
  test(`channels that others can say are not missed: ${kind}`, async () => {
    const model = redundant(kind);
    const groups = pruneGroups(model);
    const cut = kind === 'MatMul' ? new Map([['w0[1]', [4, 5, 6, 7]]]) : LAST_HALF;
    const small = cutUnits(model, groups, cut);
    const dims = kind === 'Conv' ? [3, 6, 6] : [6];
    const data = normalData(dims, 200, 3);
    const before = structuredClone([...small.graph.initializers.keys()]);
    const { model: repaired, notes } = await repairConsumers(
      model,
      { model: small, groups, cut },
      captureOf(data),
      { ridge: 1e-8 },
    );
    assert.deepEqual([...small.graph.initializers.keys()], before);
    const feeds = { x: normals(new Random(9), [16, ...dims]) };
    const [cutError, error] = [await distance(small, model, feeds), await distance(repaired, model, feeds)];
    // At the border of the image a bias of a cut channel cannot be made up for.
    assert.ok(
      cutError > 0.01 && error < (kind === 'Conv' ? 0.1 * cutError : 1e-6),
      `${cutError} to ${error}`,
    );
    assert.equal(notes.length, 1);
    assert.ok(notes[0]!.after < notes[0]!.before);
  });
}

test('a wide convolution is refitted by mixing channels', async () => {
  const model = redundant('Conv');
  const groups = pruneGroups(model);
  const small = cutUnits(model, groups, LAST_HALF);
  const { model: repaired, notes } = await repairConsumers(
    model,
    { model: small, groups, cut: LAST_HALF },
    captureOf(normalData([3, 6, 6], 200, 3)),
    { ridge: 1e-8, maxUnknowns: 20 },
  );
  assert.ok(notes[0]!.refused === undefined && notes[0]!.after < 1e-6, JSON.stringify(notes));
  const feeds = { x: normals(new Random(9), [16, 3, 6, 6]) };
  const [cutError, error] = [await distance(small, model, feeds), await distance(repaired, model, feeds)];
  assert.ok(error < 0.1 * cutError, `${cutError} to ${error}`);
});

test('a layer that cannot be refitted says why, and one that gains nothing stays', async () => {
  const model = redundant('Gemm');
  const twice = cloneModel(model);
  const last = twice.graph.nodes.at(-1)!;
  twice.graph.nodes.push(
    makeNode('Gemm', [last.inputs[0]!, last.inputs[1]!], ['more'], {}, { name: 'more' }),
  );
  twice.graph.outputs.push({ ...twice.graph.outputs[0]!, name: 'more' });
  const groups = pruneGroups(twice);
  const small = { model: cutUnits(twice, groups, LAST_HALF), groups, cut: LAST_HALF };
  const { notes } = await repairConsumers(twice, small, captureOf(normalData([6], 8)));
  assert.match(notes[0]!.refused!, /shares its weight/);
  const own = pruneGroups(model);
  const one = { model: cutUnits(model, own, LAST_HALF), groups: own, cut: LAST_HALF };
  const wide = await repairConsumers(model, one, captureOf(normalData([6], 8)), { maxUnknowns: 3 });
  assert.match(wide.notes[0]!.refused!, /5 unknowns for each output, more than 3/);
  const held = await repairConsumers(model, one, captureOf(normalData([6], 64)), { ridge: 1e15 });
  assert.ok(held.notes[0]!.after >= held.notes[0]!.before * (1 - 1e-6));
});
