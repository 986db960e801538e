import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Composer,
  EXPANSIONS,
  GRADIENTS,
  type GradientRule,
  MACRO_DOMAIN,
  MACROS,
  STOPS,
} from '../../src/train/index.ts';
import { evaluate } from '../reference/index.ts';
import { GRADIENT_CASES } from './gradients/cases.ts';
import {
  assertMeets,
  assertRuns,
  gradientModel,
  type Making,
  type Prepared,
  prepare,
} from './gradients/gradient-contract.ts';

const SEEDS = Number(process.env.MODICUM_GRAPHS ?? 6);
const ROWS = new Map<string, GradientRule>(Object.entries(GRADIENTS));

/** Every case with its slopes, made once: the search for planted faults asks for them again and again. */
const prepared: Prepared[] = [];
/** Gradients that a row gave in some case, as "row input", with the cases. */
const given = new Map<string, Prepared[]>();
/** Rows that summed a gradient back over axes along which an operand was broadcast, with the cases. */
const summed = new Map<string, Prepared[]>();

function note(map: Map<string, Prepared[]>, key: string, one: Prepared): void {
  const all = map.get(key) ?? [];
  if (all.at(-1) !== one) all.push(one);
  map.set(key, all);
}

/** A composer that tells when a sum over broadcast axes has work to do; `forgets` while it is to leave that out. */
class Watched extends Composer {
  static forgets = false;
  static sums = 0;

  override unbroadcast(gradient: string, dims: readonly number[]): string {
    const from = this.shape(gradient);
    if (String(from) === String(dims)) return gradient;
    Watched.sums++;
    if (!Watched.forgets) return super.unbroadcast(gradient, dims);
    // The first of the repetitions instead of their sum.
    const kept = [...from.map(() => 1).slice(dims.length), ...dims];
    const axes = kept.map((_, i) => i);
    const starts = this.ints(axes.map(() => 0));
    return this.reshape(this.op('Slice', [gradient, starts, this.ints(kept), this.ints(axes)]), dims);
  }
}

const watching = (one: Prepared): Making => ({
  composer: Watched,
  rule: (key, own) => (site) => {
    const before = Watched.sums;
    const found = own(site);
    for (const [i, gradient] of found.entries()) {
      if (gradient !== undefined && site.wants(i)) note(given, `${key} ${i}`, one);
    }
    if (Watched.sums > before) note(summed, key, one);
    if (own === STOPS) note(given, `${key} 0`, one);
    return found;
  },
});

test(`every gradient meets finite differences in double precision, and runs, in ${SEEDS} random graphs`, async (t) => {
  const asked = new Set<string>();
  for (const one of GRADIENT_CASES) {
    await t.test(one.name, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const ready = prepare(one, seed);
        prepared.push(ready);
        const made = gradientModel(ready, watching(ready));
        for (const key of made.asked) asked.add(key);
        for (const key of made.expanded) asked.add(key);
        const gradients = evaluate(made.model, ready.feeds);
        assertMeets(ready, gradients);
        await assertRuns(ready, made.model, gradients);
      }
    });
  }
  await t.test('every row has a case', () => {
    const named = new Set(GRADIENT_CASES.flatMap(({ ops }) => ops));
    const macros = Object.keys(MACROS).map((name) => `${MACRO_DOMAIN}:${name}`);
    const rows = [...ROWS.keys(), ...Object.keys(EXPANSIONS), ...macros];
    assert.deepEqual(
      rows.filter((key) => !named.has(key)),
      [],
      'rows without a case',
    );
    // What has no float output is never on the way: its stop is there for those who read the table.
    const silent = rows.filter((key) => !asked.has(key) && ROWS.get(key) !== STOPS);
    assert.deepEqual(silent, [], 'rows that no case asks');
    assert.deepEqual(
      [...named].filter((key) => !rows.includes(key)),
      [],
      'cases of rows that are not there',
    );
  });
});

/** Whether one of the cases turns red. */
function isCaught(cases: readonly Prepared[], making: Making): boolean {
  return cases.some((one) => {
    try {
      assertMeets(one, evaluate(gradientModel(one, making).model, one.feeds));
      return false;
    } catch {
      return true;
    }
  });
}

/** Faults of one gradient of a row. */
const FAULTS: Readonly<Record<string, (to: Composer, gradient: string) => string | undefined>> = {
  'one per cent too much': (to, gradient) => to.op('Mul', [gradient, to.float(1.01)]),
  'the wrong sign': (to, gradient) => to.op('Neg', [gradient]),
  'left out': () => undefined,
};

test('the contract catches a planted fault in every gradient of every row', () => {
  const missed: string[] = [];
  assert.ok(given.size >= ROWS.size / 2);
  for (const [place, cases] of given) {
    const [row, input] = [
      place.slice(0, place.lastIndexOf(' ')),
      Number(place.slice(place.lastIndexOf(' ') + 1)),
    ];
    if (ROWS.get(row) === STOPS) {
      const flows: Making = { rule: (key, own) => (key === row ? (site) => [site.gradient()] : own) };
      if (!isCaught(cases, flows)) missed.push(`${row}: a stop that lets through`);
      continue;
    }
    for (const [name, fault] of Object.entries(FAULTS)) {
      const planted: Making = {
        rule: (key, own) => (site) => {
          const found = own(site);
          const wrong = (gradient: string | undefined, i: number) =>
            key === row && i === input && gradient !== undefined ? fault(site.to, gradient) : gradient;
          return found.map(wrong);
        },
      };
      if (!isCaught(cases, planted)) missed.push(`${row}, input ${input}: ${name}`);
    }
  }
  assert.deepEqual(missed, []);
});

test('the contract catches a forgotten broadcast in every row that has one', () => {
  assert.ok(summed.size >= 8, 'rows that broadcast');
  const missed = [...summed].filter(([row, cases]) => {
    const planted: Making = {
      composer: Watched,
      rule: (key, own) => (site) => {
        Watched.forgets = key === row;
        try {
          return own(site);
        } finally {
          Watched.forgets = false;
        }
      },
    };
    return !isCaught(cases, planted);
  });
  assert.deepEqual(
    missed.map(([row]) => row),
    [],
  );
});
