import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from './answers.ts';
import { choosePlaces } from './choose-places.ts';
import type { Probe } from './probe.ts';

const ANSWERS: Answer[] = [
  { name: 'y', kind: 'classes', dims: [3], size: 3, tail: undefined, logits: 'y', scale: 'logits' },
];
const N = 100;

/** A place behind `macs` of 1000, whose probe is sure of the samples in order and wrong from `right` on. */
function probe(macs: number, right: number, features = 1): Probe {
  return {
    place: {
      value: `at${macs}`,
      node: `at${macs}`,
      kind: 'vector',
      axis: 1,
      channels: features,
      room: [],
      macs,
      frontier: [`at${macs}`],
      frontierBytes: 4,
    },
    pooling: { kind: 'none' },
    features,
    accuracy: right / N,
    lost: Uint8Array.from({ length: N }, (_, i) => (i < right ? 0 : 1)),
    margin: Float64Array.from({ length: N }, (_, i) => 1 - i / N),
  };
}

const choose = (
  probes: readonly Probe[],
  exits: number,
  more: Partial<Parameters<typeof choosePlaces>[1]> = {},
) => choosePlaces(probes, { exits, maxDrop: 1e-9, total: 1000, answers: ANSWERS, ...more });
const names = ({ chosen }: ReturnType<typeof choose>) => chosen.map(({ place }) => place.macs);

test('one exit stands where the most work is saved: 60 of 100 at a third, not 20 at a tenth or 90 at most of the way', () => {
  const found = choose([probe(900, 90), probe(100, 20), probe(300, 60)], 1);
  assert.deepEqual(names(found), [300]);
  // A head of 3 multiply-accumulates for all, 300 for sixty, 1000 for forty.
  assert.ok(Math.abs(found.expected[1]! - (3 + 0.6 * 300 + 0.4 * 1000) / 1000) < 1e-12);
  assert.deepEqual(
    found.table.map(({ value, depth, leaves, chosen }) => [value, depth, leaves, chosen]),
    [
      ['at100', 0.1, 0.2, false],
      ['at300', 0.3, 0.6, true],
      ['at900', 0.9, 0.9, false],
    ],
  );
});

test('a second exit is taken where it pays for its head, and left where it does not', () => {
  const both = choose([probe(900, 90), probe(100, 20), probe(300, 60)], 2);
  assert.deepEqual(names(both), [100, 300]);
  const dear = choose([probe(900, 90), probe(100, 20, 300), probe(300, 60)], 3);
  assert.deepEqual(names(dear), [300, 900]);
  assert.deepEqual(names(choose([probe(300, 60), probe(310, 60)], 2)), [300]);
});

test('time that was measured decides instead of work', () => {
  const probes = [probe(300, 60), probe(600, 70)];
  // Nine tenths of the time go by before the first third of the work is done.
  assert.deepEqual(names(choose(probes, 1, { times: [0.9, 0.95] })), [300]);
  assert.deepEqual(names(choose(probes, 1, { times: [0.9, 0.2] })), [600]);
  const { table, expected } = choose(probes, 1, { times: [0.9, 0.2] });
  assert.deepEqual(
    table.map(({ time }) => time),
    [0.9, 0.2],
  );
  assert.ok(Math.abs(expected[1]! - (0.003 + 0.7 * 0.2 + 0.3)) < 1e-12);
});

test('the allowed drop lets more go, shared among the exits', () => {
  const leaves = (maxDrop: number, exits: number) =>
    choose([probe(300, 60)], exits, { maxDrop }).table[0]!.leaves;
  assert.equal(leaves(0.04, 1), 0.64);
  assert.equal(leaves(0.04, 2), 0.62);
  assert.throws(() => choose([probe(300, 60)], 0), { code: 'USAGE_BAD_OPTION' });
});
