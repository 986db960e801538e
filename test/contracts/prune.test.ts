import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/index.ts';
import { cloneModel, costOf, encodeModel, type Model, sizeOf, Tensor } from '../../src/graph/index.ts';
import {
  cutUnits,
  groupOf,
  type Member,
  type PruneGroup,
  type PruneGroups,
  pruneGroups,
  type UnitCut,
} from '../../src/transform/index.ts';
import { PRUNE_NETS } from '../prune-nets.ts';
import { normals } from '../quantize-nets.ts';
import { answersOf, assertWithin } from './pass-contract.ts';
import { randomGraph } from './random-graph.ts';

const NEAR = { kind: 'bounded', atol: 1e-5, rtol: 1e-4, why: 'sums are shorter' } as const;

/** Normal numbers for input x; symbols are two. */
function feedsOf(model: Model, seed: number): Record<string, Tensor> {
  const { name, type } = model.graph.inputs[0]!;
  if (type.kind !== 'tensor') throw new Error('not a tensor');
  const dims = type.shape!.map((dim) => (typeof dim === 'number' ? dim : 2));
  return { [name]: normals(new Random(seed), dims) };
}

const free = ({ groups }: PruneGroups) => groups.filter(({ pinned }) => pinned === undefined);

/** Random units of each of these groups, never all. */
function randomCut(groups: readonly PruneGroup[], random: Random): Map<string, number[]> {
  const cut = new Map<string, number[]>();
  for (const { id, units } of groups) {
    if (units === 1) continue;
    const all = random.shuffle(Array.from({ length: units }, (_, i) => i));
    cut.set(id, all.slice(0, 1 + random.below(units - 1)));
  }
  return cut;
}

/** The tensor of a member, wherever the model keeps it. */
function edit(model: Model, { initializer }: Member, change: (tensor: Tensor) => Tensor): void {
  const tensor = model.graph.initializers.get(initializer);
  if (tensor !== undefined) model.graph.initializers.set(initializer, change(tensor));
  const node = model.graph.nodes.find(({ op, outputs }) => op === 'Constant' && outputs[0] === initializer);
  const value = node?.attributes.get('value');
  if (value?.type === 'tensor') node!.attributes.set('value', { type: 'tensor', value: change(value.value) });
}

function mapSlices(tensor: Tensor, axis: number, change: (at: number, index: number) => number): Tensor {
  const values = Float32Array.from(tensor.as('float32'));
  const inner = sizeOf(tensor.dims.slice(axis + 1));
  const result = values.map((_, at) => change(at, Math.floor(at / inner) % tensor.dims[axis]!));
  return Tensor.float32(tensor.dims, result);
}

/** A copy in which nothing reads the units that are to go; where nothing weighs them they are nothing themselves. */
function silenced(model: Model, groups: PruneGroups, cut: UnitCut): Model {
  const copy = cloneModel(model);
  for (const [id, units] of cut) {
    const { members } = groupOf(groups, id)!;
    const reading = members.filter(({ role }) => role === 'consumer');
    for (const member of reading.length > 0 ? reading : members) {
      const gone = new Set(units.flatMap((unit) => member.indices[unit]!));
      edit(copy, member, (tensor) => {
        const values = tensor.as('float32');
        return mapSlices(tensor, member.axis, (at, index) => (gone.has(index) ? 0 : values[at]!));
      });
    }
  }
  return copy;
}

/** Cutting what nobody reads changes nothing. Returns the units cut. */
async function holdToCut(
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
  cut: UnitCut,
  groups: PruneGroups,
  surgery = cutUnits,
) {
  const whole = silenced(model, groups, cut);
  const before = encodeModel(whole);
  const small = surgery(whole, groups, cut);
  assert.ok(Buffer.compare(before, encodeModel(whole)) === 0, 'the input was changed');
  assertWithin(await answersOf(small, feeds), await answersOf(whole, feeds), NEAR);
  return small;
}

for (const [name, make] of Object.entries(PRUNE_NETS)) {
  test(`${name}: cutting units that nothing reads leaves the answers`, async () => {
    for (const seed of [1, 2, 3]) {
      const model = make(seed, seed === 2 ? 2 : 'N');
      const feeds = feedsOf(model, seed);
      const groups = pruneGroups(model);
      const exact = free(groups).filter(({ mixes }) => mixes === undefined);
      assert.ok(exact.length > 0, 'no groups');
      const random = new Random(seed);
      for (const one of [...exact.map((group) => [group]), exact]) {
        const cut = randomCut(one, random);
        const small = await holdToCut(model, feeds, cut, groups);
        for (const group of one) {
          for (const { initializer, axis, indices } of group.members) {
            if (!cut.has(group.id)) continue;
            const [was, is] = [model, small].map((of) => of.graph.initializers.get(initializer)!.dims[axis]!);
            assert.ok(is! < was!, `${initializer}[${axis}] of ${indices.length} units is no smaller`);
          }
        }
        const read = one.some(
          ({ id, members }) => cut.has(id) && members.some(({ role }) => role === 'consumer'),
        );
        if (!read) continue;
        const other = await answersOf(cutUnits(model, groups, cut), feeds);
        const wanted = await answersOf(model, feeds);
        assert.throws(
          () => assertWithin(other, wanted, NEAR),
          'units that are read were cut without a trace',
        );
      }
    }
  });
}

test('random graphs: cutting units that nothing reads leaves the answers', async () => {
  let units = 0;
  for (let seed = 1; seed <= Number(process.env.MODICUM_GRAPHS ?? 60); seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const groups = pruneGroups(model);
    const cut = randomCut(
      free(groups).filter(({ mixes }) => mixes === undefined),
      new Random(seed),
    );
    if (cut.size === 0) continue;
    try {
      await holdToCut(model, feeds, cut, groups);
    } catch (cause) {
      throw new Error(`${story}: ${(cause as Error).message}`, { cause });
    }
    for (const gone of cut.values()) units += gone.length;
  }
  assert.ok(units > 30, `only ${units} units were cut in all`);
});

test('twins: behind a norm half of the channels do when the other half repeats them', async () => {
  const model = PRUNE_NETS['transformer with norms']!(4);
  const groups = pruneGroups(model);
  const group = free(groups).find(({ mixes }) => mixes !== undefined)!;
  const half = group.units / 2;
  const twin = cloneModel(model);
  for (const member of group.members) {
    edit(twin, member, (tensor) => {
      const values = tensor.as('float32');
      const inner = sizeOf(tensor.dims.slice(member.axis + 1));
      // The second half repeats the first, and is read by nobody.
      return mapSlices(tensor, member.axis, (at, index) =>
        index < half ? values[at]! : member.role === 'consumer' ? 0 : values[at - half * inner]!,
      );
    });
  }
  const cut = new Map([[group.id, Array.from({ length: half }, (_, i) => half + i)]]);
  const feeds = feedsOf(model, 4);
  assertWithin(await answersOf(cutUnits(twin, groups, cut), feeds), await answersOf(twin, feeds), NEAR);
});

test('the MACs of a cut model are as foretold', () => {
  for (const [name, make] of Object.entries(PRUNE_NETS)) {
    const model = make(5, 1);
    const groups = pruneGroups(model);
    for (const group of free(groups)) {
      if (group.units === 1) continue;
      const small = cutUnits(model, groups, new Map([[group.id, [0]]]));
      const saved = costOf(model).total.macs - costOf(small).total.macs;
      assert.ok(
        Math.abs(saved - group.macs) < 1e-6 * costOf(model).total.macs,
        `${name}: ${group.id} saves ${saved}, not ${group.macs}`,
      );
    }
  }
});

/** Surgery that takes other slices of one member than of the rest. */
function careless(forgets: (member: Member) => boolean): typeof cutUnits {
  return (model, groups, cut) => {
    const small = cutUnits(model, groups, cut);
    for (const [id, gone] of cut) {
      const member = groupOf(groups, id)!.members.find(forgets);
      if (member === undefined) continue;
      const kept = member.indices.filter((_, unit) => !gone.includes(unit)).length;
      edit(small, member, (tensor) => {
        const values = tensor.as('float32');
        const inner = sizeOf(tensor.dims.slice(member.axis + 1));
        const turn = (index: number) => ((index + 1) % kept) - index;
        return mapSlices(tensor, member.axis, (at, index) => values[at + turn(index) * inner]!);
      });
    }
    return small;
  };
}

test('the contract catches surgery that forgets a member', async () => {
  const model = PRUNE_NETS['conv, norm, flatten, gemm']!(6);
  const groups = pruneGroups(model);
  const feeds = feedsOf(model, 6);
  const cut = new Map([[free(groups)[0]!.id, [0, 3]]]);
  await holdToCut(model, feeds, cut, groups);
  for (const role of ['producer', 'along', 'consumer']) {
    await assert.rejects(
      holdToCut(
        model,
        feeds,
        cut,
        groups,
        careless((member) => member.role === role),
      ),
      /is .*, not /,
      role,
    );
  }
});
