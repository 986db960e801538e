import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SILENT } from '../src/base/index.ts';
import { openDataset, split } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { costOf, type Model } from '../src/graph/index.ts';
import { evaluate, metricByName } from '../src/measure/index.ts';
import { measureSensitivity } from '../src/mix/index.ts';
import { type Dimension, keyOf, type Point, pointsOf } from '../src/optimize/index.ts';
import { availableCores, describeMachine, openSession } from '../src/run/index.ts';
import { type PassContext, type RecipePassName, recipePass } from '../src/transform/index.ts';
import { ROOT } from '../test/shared-data.ts';
import { option } from './arguments.ts';
import { race, SEED } from './race.ts';
import type { RecordedSpace } from './recorded-landscape.ts';
import { say } from './variants.ts';

/**
 * Measures a whole space of a small model once, every point of it, for `search-quality` to search in: the spotter of the
 * examples, pruning x precision with its knobs x settings. Minutes; writes out/search/keyword-spotter-*.json.
 * `npm run bench -- search-record [--seconds 2] [--drop 2] [--by cpu]`: cost is time by the
 * clock, or CPU time, which others on the machine disturb less.
 */
const cores = availableCores();
const seconds = Number(option('seconds') ?? '2');
const maxDrop = Number(option('drop') ?? '2');
const by = option('by') ?? 'throughput';
const isStatic = [{ dimension: 'precision', in: ['static'] }];
const dimension = (name: string, values: Dimension['values'], more: Partial<Dimension> = {}): Dimension => ({
  name,
  says: name,
  values,
  ordered: typeof values[0] === 'number',
  kind: 'model',
  ...more,
});
const dimensions = [
  dimension('share', [1, 0.9, 0.75]),
  dimension('precision', ['float', 'static']),
  dimension('ranges', ['minmax', 'mse'], { when: isStatic }),
  dimension('equalized', ['no', 'yes'], { when: isStatic }),
  dimension('kept', [0, 1, 2], { when: isStatic }),
  dimension('instances', [1, 2], { kind: 'run' }),
  dimension('threads', [1, 2], { kind: 'run' }),
  dimension('batch', [1, 16, 64], { kind: 'run' }),
];
const space = {
  dimensions,
  allows: ({ instances, threads }: Point) => Number(instances) * Number(threads) <= Math.max(2, cores),
};
/** Contestants of one race, besides the model as given. */
const TOGETHER = 9;
/** Products on integers, as the cheap guess has it. */
const FASTER = 2.5;

const folder = join(ROOT, 'examples', 'keyword-spotter');
const path = join(folder, 'heavy.onnx');
const parts = await split(await openDataset(join(folder, 'data.npz')), { seed: SEED });
const context: PassContext = { progress: SILENT, seed: SEED, calibration: parts.calibration };
const metric = metricByName('top1');
const accuracyOf = async (model: Model | string) => {
  const session = await openSession(model);
  try {
    return (await evaluate(session, parts.search, metric, { seed: SEED })).value;
  } finally {
    await session.dispose();
  }
};
const apply = async (model: Model, name: RecipePassName, options: object = {}) => {
  const pass = recipePass(name);
  return (await pass.apply(model, { ...pass.defaults, ...options }, context)).model;
};

const given = await accuracyOf(path);
const clean = await apply(await apply(await loadModel(path), 'clean'), 'free-batch');
const shapes = new Map<number, { model: Model; worst: string[] }>();
const models = new Map<string, { model: Model; drop: number } | string>();
const all = [...pointsOf(space)];
for (const point of all) {
  const key = keyOf(space, point, 'model');
  if (models.has(key)) continue;
  try {
    const model = await make(point);
    models.set(key, { model, drop: given - (await accuracyOf(model)) });
  } catch (thrown) {
    models.set(key, say(thrown));
  }
  console.log(`${models.size} ${key}: ${told(models.get(key)!)}`);
}

const points: Record<string, RecordedSpace['points'][string]> = {};
const able = all.filter((point) => typeof models.get(keyOf(space, point, 'model')) !== 'string');
for (let at = 0; at < able.length; at += TOGETHER) {
  const group = able.slice(at, at + TOGETHER);
  const entries = group.map((point) => {
    const { model } = models.get(keyOf(space, point, 'model')) as { model: Model };
    const [instances, threads, batch] = [Number(point.instances), Number(point.threads), Number(point.batch)];
    return { title: keyOf(space, point), model, setting: { batch, threads, instances } };
  });
  const [, ...timed] = await race([{ title: 'as given', model: path }, ...entries], parts.search, seconds);
  for (const [i, point] of group.entries()) {
    const { drop } = models.get(keyOf(space, point, 'model')) as { drop: number };
    const { throughputRatio, cpuRatio } = timed[i]!;
    const cost = by === 'cpu' ? cpuRatio.value : 1 / throughputRatio.value;
    points[keyOf(space, point)] = { cost, drop, proxy: guess(point) };
  }
  console.log(`${at + group.length} of ${able.length} points`);
}
const recorded: RecordedSpace = {
  name: `keyword-spotter: pruning x precision x settings (${by})`,
  machine: `${describeMachine().cpu}, ${cores} cores`,
  at: new Date().toISOString(),
  maxDrop,
  dimensions,
  cores,
  points,
};
mkdirSync(join(ROOT, 'out', 'search'), { recursive: true });
writeFileSync(join(ROOT, 'out', 'search', `keyword-spotter-${by}.json`), `${JSON.stringify(recorded)}\n`);

async function make(point: Point): Promise<Model> {
  const { model, worst } = await shapeOf(Number(point.share));
  if (point.precision === 'float') return model;
  const from = point.equalized === 'yes' ? await apply(model, 'equalize') : model;
  const exclude = worst.slice(0, Number(point.kept));
  return apply(from, 'quantize-static', { method: point.ranges, exclude });
}

/** The model cut to a share of its work and refitted, and its layers, the most sensitive first. */
async function shapeOf(share: number): Promise<{ model: Model; worst: string[] }> {
  let found = shapes.get(share);
  if (found === undefined) {
    const model = share === 1 ? clean : await apply(clean, 'prune', { ratio: 1 - share });
    const ranked = await measureSensitivity(model, parts.calibration);
    found = { model, worst: ranked.sort((a, b) => a.sqnr - b.sqnr).map(({ layer }) => layer) };
    shapes.set(share, found);
  }
  return found;
}

function told(made: { drop: number } | string): string {
  return typeof made === 'string' ? made : `${made.drop.toFixed(2)} points lost`;
}

/** Arithmetic alone: work by precision over the threads, and the cost of a call over its samples. */
function guess({ share, precision, kept = 0, instances, threads, batch }: Point): number {
  const quantized = precision === 'float' ? 0 : 1 - Number(kept) / 10;
  const seconds = (costOf(clean).total.macs * Number(share) * (quantized / FASTER + 1 - quantized)) / 2e10;
  return seconds / (Number(instances) * Number(threads) ** 0.7) + 2e-5 / Number(batch);
}
