import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ExampleTask, judgedBy, type TaskOutput } from '../examples/task.ts';
import { TASKS } from '../examples/tasks.ts';
import { concatenate } from '../src/data/index.ts';
import type { Model } from '../src/graph/index.ts';
import { evaluate, metricByName } from '../src/measure/index.ts';
import { optimize } from '../src/optimize/index.ts';
import type { Figure, StoryVariant } from '../src/report/index.ts';
import { openSession } from '../src/run/index.ts';
import { ROOT } from '../test/shared-data.ts';
import { option, wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { SEED } from './race.ts';

/**
 * The whole recipe on the built-in examples: the heavy model as given, then what `optimize` makes of it with training data, judged on
 * the half of the validation and test samples that neither the search nor the training saw (one part alone is too small to prove
 * a point). `npm run bench -- recipes [example...] [--budget SECONDS] [--drop POINTS]`.
 */
const budget = Number(option('budget') ?? '300');
const maxDrop = Number(option('drop') ?? '1');

console.log(heading(`seed ${SEED}, ${budget} s each, at most ${maxDrop} points lost (one-sided 95 %)`));
const heavy = (name: string) => join(ROOT, 'examples', name, 'heavy.onnx');
const asked = TASKS.filter(({ name }) => wanted(name));
for (const { name } of asked.filter((task) => !existsSync(heavy(task.name)))) {
  console.log(`skipped: ${name} is not trained yet (npm run examples:train)`);
}
console.log(
  '| example | chosen | metric, held out | lost (at most) | $ per million | cheaper | one call | size |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const task of asked.filter(({ name }) => existsSync(heavy(name)))) {
  const model = heavy(task.name);
  const [{ name: output, metric, target }, ...others] = task.outputs as [TaskOutput, ...TaskOutput[]];
  const { story, model: chosen } = await optimize({
    model,
    data: judgedBy(concatenate([await task.validation(), await task.test()]), target),
    trainingData: await task.train(SEED, task.samples),
    goal: { metric, maxDrop, minimize: 'cost' },
    metricOptions: { output },
    budget,
    seed: SEED,
  });
  const before = story.variants.find(({ status }) => status === 'baseline')!;
  const after = story.variants.find(({ id }) => id === story.chosen)!;
  console.log(row(task.name, metric, before, after));
  for (const other of others) {
    const [was, is] = [await figure(model, task, other), await figure(chosen, task, other)];
    const text = `${other.name}: ${other.metric} ${was.toFixed(4)} → ${is.toFixed(4)}, all test samples, not bounded`;
    console.log(`| | ${text} | | | | | | |`);
  }
}

async function figure(
  model: Model | string,
  task: ExampleTask,
  { name, metric, target }: TaskOutput,
): Promise<number> {
  const session = await openSession(model);
  try {
    const data = judgedBy(await task.test(), target);
    return (await evaluate(session, data, metricByName(metric, { output: name }))).value;
  } finally {
    await session.dispose();
  }
}

function row(name: string, metric: string, before: StoryVariant, after: StoryVariant): string {
  const [from, to] = [before.figures, after.figures];
  const say = (figure: Figure | undefined, places: number) => figure?.value.toFixed(places) ?? '–';
  const drop = to.heldOutDrop;
  const lost = `${say(drop, 2)} (${drop?.high?.toFixed(2) ?? '–'})`;
  const { value, low, high } = to.speedup ?? { value: 1 };
  const range = low === undefined || high === undefined ? '' : ` (${low.toFixed(1)}–${high.toFixed(1)})`;
  const both = (a: string, b: string) => `${a} → ${b}`;
  const accuracy = both(say(from.heldOutAccuracy, 2), say(to.heldOutAccuracy, 2));
  const cells = [
    name,
    `${after.title}; ${after.settings.run}`,
    `${metric} ${accuracy}`,
    lost,
    both(say(from.cost, 6), say(to.cost, 6)),
    `**${value.toFixed(1)}x**${range}`,
    `${both(say(from.latency, 3), say(to.latency, 3))} ms`,
    `${both(say(from.size, 0), say(to.size, 0))} B`,
  ];
  return `| ${cells.join(' | ')} |`;
}
