import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  rankings,
  TRAIN_UNTIL,
  testInteractions,
  trainingInteractions,
  validationInteractions,
} from '../../examples/recommender/generate.ts';
import { DAYS, GENRES, ITEMS, SEGMENTS, USERS, World } from '../../examples/recommender/world.ts';
import { type Dataset, openNpz } from '../../src/data/index.ts';
import { Tensor } from '../../src/graph/index.ts';
import { type MetricName, metricByName } from '../../src/measure/index.ts';
import { ROOT } from '../shared-data.ts';

const FOLDER = join(ROOT, 'examples/recommender');
const README = readFileSync(join(FOLDER, 'README.md'), 'utf8');

type Columns = Record<string, number[]> & { labels: number[] };

async function columns(dataset: Dataset): Promise<Columns> {
  for await (const { feeds, labels } of dataset.read({ batch: dataset.size })) {
    const named = Object.entries(feeds).map(([name, tensor]) => [name, tensor.numbers()]);
    return { ...Object.fromEntries(named), labels: labels!.numbers() };
  }
  throw new Error('empty');
}

function judged(name: MetricName, scores: readonly number[], labels: readonly number[]): number {
  const metric = metricByName(name);
  const dims = labels.length === scores.length ? [scores.length] : [scores.length, 2];
  const rows: number[] = [];
  const outputs = { scores: Tensor.float32([scores.length], scores) };
  metric.rows({ outputs, labels: Tensor.int64(dims, labels), samples: scores.length }, rows);
  return metric.aggregate(Float64Array.from(rows));
}

/** Popularity of each row's item: the last of the four dense numbers. */
const popularity = ({ dense, labels, item }: Columns) =>
  Array.from({ length: item?.length ?? labels.length }, (_, i) => dense![4 * i + 3]!);

/** Smoothed share of clicks by value of a column, in logits. */
function rates({ labels, ...data }: Columns, column: string, count: number): Float64Array {
  const mean = labels.reduce((sum, label) => sum + label, 0) / labels.length;
  const [seen, clicked] = [new Float64Array(count), new Float64Array(count)];
  for (const [i, value] of data[column]!.entries()) {
    seen[value]!++;
    clicked[value]! += labels[i]!;
  }
  return seen.map((n, i) => Math.log((clicked[i]! + 20 * mean) / (n - clicked[i]! + 20 * (1 - mean))));
}

test('recommender: the same seed gives the same interactions, another seed others, from one world', async () => {
  const [one, again, other] = await Promise.all(
    [1, 1, 2].map((seed) => columns(trainingInteractions(seed, 3000))),
  );
  assert.deepEqual(one, again);
  assert.notDeepEqual(one!.user, other!.user);
  assert.deepEqual(new World().items[5], new World().items[5]);
  const segments = new World().users.map(({ segment }) => segment);
  for (const { user, segment } of [one!, other!]) {
    assert.deepEqual(
      segment,
      user!.map((number) => segments[number]),
    );
  }
});

test('recommender: what is committed is what the generator makes', async () => {
  for (const [file, made] of [
    ['data.npz', testInteractions()],
    ['rankings.npz', rankings()],
  ] as const) {
    const committed = await openNpz(join(FOLDER, file));
    assert.equal(committed.size, made.size);
    const [a, b] = [await columns(committed), await columns(made)];
    for (const name of Object.keys(b)) {
      // Another libm may turn a click that hangs on the last bit.
      const apart = a[name]!.filter((value, i) => Math.abs(value - b[name]![i]!) > 1e-5).length;
      assert.ok(apart <= 5, `${file}: ${apart} values of ${name} differ`);
    }
  }
  const data = readdirSync(FOLDER).filter((name) => name.endsWith('.npz'));
  const bytes = data.reduce((sum, name) => sum + statSync(join(FOLDER, name)).size, 0);
  assert.ok(bytes < 1e6, `${bytes} bytes`);
});

test('recommender: numbers in range, a third clicked, clicks as likely as they are said to be', async () => {
  const data = await columns(validationInteractions());
  const below = {
    user: USERS,
    item: ITEMS,
    segment: SEGMENTS.length,
    genre: GENRES.length,
    device: 3,
    hour: 24,
  };
  for (const [name, count] of Object.entries(below)) {
    assert.ok(
      data[name]!.every((value) => Number.isInteger(value) && value >= 0 && value < count),
      name,
    );
    assert.equal(new Set(data[name]!.values()).size > count / 3, true, name);
  }
  assert.ok(data.dense!.every((value) => Math.abs(value) < 6));
  const share = data.labels.reduce((sum, label) => sum + label, 0) / data.labels.length;
  assert.ok(share > 0.3 && share < 0.4, `${share}`);
  // Calibration of the true chances: in each tenth the clicks are within four standard errors.
  for (let bin = 0; bin < 10; bin++) {
    const rows = data.chance!.flatMap((chance, i) => (Math.floor(chance * 10) === bin ? [i] : []));
    const sum = (of: (i: number) => number) => rows.reduce((total, i) => total + of(i), 0);
    const spread = Math.sqrt(sum((i) => data.chance![i]! * (1 - data.chance![i]!)));
    const apart = sum((i) => data.labels[i]! - data.chance![i]!);
    assert.ok(rows.length > 100 && Math.abs(apart) < 4 * spread, `bin ${bin}: ${apart} of ${rows.length}`);
  }
});

test('recommender: the parts follow each other in time, and the later ones hold items that training never had', async () => {
  const train = await columns(trainingInteractions(1, 20_000));
  const held = await columns(testInteractions());
  const world = new World();
  const newest = (data: Columns) => Math.max(...data.item!.map((item) => world.items[item]!.released));
  assert.ok(newest(train) <= TRAIN_UNTIL);
  assert.ok(newest(held) > TRAIN_UNTIL && newest(held) <= DAYS);
  const late = held.item!.filter((item) => world.items[item]!.released > TRAIN_UNTIL).length;
  assert.ok(late > 50, `${late} encounters with items that are new`);
});

test('recommender: popularity falls by Zipf, and what is shown leans to it', async () => {
  const { item } = await columns(trainingInteractions(1, 50_000));
  const seen = new Float64Array(ITEMS);
  for (const one of item!) seen[one]!++;
  const sorted = [...seen].sort((a, b) => b - a);
  const top = sorted.slice(0, 100).reduce((sum, n) => sum + n, 0) / item!.length;
  assert.ok(top > 0.45 && top < 0.75, `the first tenth of the items takes ${top}`);
  const shares = [...new World().items].map(({ popularity }) => popularity).sort((a, b) => b - a);
  // 1 / (place + 10): place 90 has a tenth of place 0.
  assert.ok(Math.abs(shares[0]! / shares[90]! - 10) < 1e-9);
});

test('recommender: the ceiling is where the README says, far above what needs no taste', async () => {
  const [train, held, lists] = [
    await columns(trainingInteractions(1, 100_000)),
    await columns(testInteractions()),
    await columns(rankings()),
  ];
  const said = (label: string) => {
    const row = new RegExp(`\\| ${label} *\\| *([\\d.]+) *\\| *([\\d.]+) *\\|`).exec(README);
    assert.ok(row, `README.md has a row ${label}`);
    return [Number(row[1]), Number(row[2])] as const;
  };
  const near = (value: number, stated: number, label: string) =>
    assert.ok(Math.abs(value - stated) < 0.1, `${label}: ${value}, not ${stated}`);
  const auc = (scores: number[]) => judged('auc', scores, held.labels);
  const ndcg = (scores: number[]) => judged('ndcg', scores, lists.labels);
  const [ceiling, byPopularity] = [auc(held.chance!), auc(popularity(held))];
  near(ceiling, said('true chance')[0], 'AUC of the true chance');
  near(ndcg(lists.chance!), said('true chance')[1], 'NDCG of the true chance');
  near(byPopularity, said('popularity')[0], 'AUC of popularity');
  near(ndcg(popularity(lists)), said('popularity')[1], 'NDCG of popularity');
  // Without the tastes, all else known exactly, or from counts: what embeddings have to add.
  const world = new World();
  const withoutTaste = held.chance!.map(
    (chance, i) => Math.log(chance / (1 - chance)) - world.match(held.user![i]!, held.item![i]!),
  );
  near(auc(withoutTaste), said('true chance without the tastes')[0], 'AUC without tastes');
  const [items, users] = [rates(train, 'item', ITEMS), rates(train, 'user', USERS)];
  const counted = auc(held.item!.map((item, i) => items[item]! + users[held.user![i]!]!));
  assert.ok(ceiling > counted + 10 && counted > byPopularity + 8, `${ceiling}, ${counted}, ${byPopularity}`);
});
