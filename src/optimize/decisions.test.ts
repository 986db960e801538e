import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGraph, makeModel } from '../graph/index.ts';
import { metricByName } from '../measure/index.ts';
import { Budget } from './budget.ts';
import { decisionsOf } from './decisions.ts';
import { makeGoal } from './goal.ts';
import type { Look } from './looks.ts';
import type { SearchOutcome } from './search.ts';
import { defaultRunSettings } from './settings.ts';
import type { Point } from './space/dimension.ts';
import type { SpaceFacts } from './space/model-space.ts';
import { TECHNIQUES } from './techniques.ts';
import type { Variant } from './variant.ts';

const model = makeModel(makeGraph({ inputs: [], outputs: [], nodes: [] }));
const variant = (title: string, drop: number, more: Partial<Variant> = {}): Variant => ({
  id: title,
  title,
  recipe: [],
  model,
  bytes: 100,
  faithful: drop === 0,
  notes: [],
  settings: { ...defaultRunSettings(2), batch: 16 },
  drop: { value: drop, n: 100, differing: 1, interval: { low: 0, high: drop, level: 0.95, method: 'made' } },
  status: 'dominated',
  why: 'made up',
  ...more,
});
const look = (of: Variant | string, point: Point, objective: number, rung = 1): Look => ({
  point,
  rung,
  why: 'made',
  settings: { ...defaultRunSettings(2), batch: 16 },
  seconds: 1,
  ...(typeof of === 'string'
    ? { observation: { point, rung, failed: of } }
    : {
        variant: of,
        observation: { point, rung, objective, held: { drop: { value: of.drop!.value - 1, noise: 0.1 } } },
      }),
});
const facts: SpaceFacts = {
  mix: { conv: 1, matmul: 0, recurrent: 0 },
  layers: 4,
  families: ['pruned', 'ds-cnn', 'shallower'],
  saturates: false,
  cores: 2,
  largestBatch: 64,
  providers: ['cpu'],
  minimize: 'cost',
  noExits: 'made up as well',
};
const clean = variant('clean fp32', 0);
const int8 = variant('int8 static (minmax)', 0.3, { status: 'chosen' });
const pruned = variant('pruned (50 % of the MACs)', 7, { status: 'rejected', why: 'it loses 7.00' });
const many = { batch: 16, instances: 2, threads: 1, level: 'all' };
const looks = [
  look(clean, { family: 'whole', precision: 'float', ...many }, 0.5),
  look(int8, { family: 'whole', precision: 'static', ranges: 'minmax', ...many }, 0.2),
  look(pruned, { family: 'pruned', share: 0.5, precision: 'float', ...many }, 0.15, 0),
  look('No such student can be made', { family: 'shallower', precision: 'float', ...many }, 0),
];
const outcome: SearchOutcome = {
  single: defaultRunSettings(2),
  sensitivity: [],
  records: [],
  metric: metricByName('top1'),
  baseline: variant('as given', 0),
  chosen: int8,
  variants: [clean, int8, pruned],
  looks,
  facts,
  ended: 'time',
};

test('each technique gets one line: taken with its gain, refused with figures, or not tried with the reason', () => {
  const decisions = decisionsOf(outcome, makeGoal({ metric: 'top1' }), new Budget(60, () => 60));
  assert.deepEqual(
    decisions.map(({ technique }) => technique),
    TECHNIQUES.map(({ name }) => name),
  );
  const on = (technique: string) => {
    const { outcome, why } = decisions.find((decision) => decision.technique === technique)!;
    return `${outcome}: ${why}`;
  };
  assert.equal(
    on('int8, static'),
    'taken: 0.20 times the cost, 0.30 points lost; without it, clean fp32: 0.50 times the cost, the same answers',
  );
  assert.equal(
    on('pruning'),
    'refused: pruned (50 % of the MACs): 0.15 times the cost, 7.00 points lost (a first look); it loses 7.00',
  );
  assert.equal(on('fewer blocks'), 'refused: No such student can be made');
  assert.equal(
    on('distillation into another architecture'),
    'not tried: the budget of 60 s was spent on what promised more',
  );
  assert.equal(on('early exits'), 'not tried: made up as well');
  assert.match(on('int8, dynamic'), /^not tried: hardly any/);
  const done: SearchOutcome = { ...outcome, ended: 'nothing promised a gain' };
  const [more] = decisionsOf(done, makeGoal({ metric: 'top1' }), new Budget(60, () => 60)).filter(
    ({ technique }) => technique === 'distillation into another architecture',
  );
  assert.equal(more!.why, 'what was measured nearby left no gain to expect of it');
});
