import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate, metricByName } from '../src/measure/index.ts';
import { optimize } from '../src/optimize/index.ts';
import { quantity, type StoryVariant } from '../src/report/index.ts';
import { describeMachine, openSession } from '../src/run/index.ts';
import { magikaReference, scratch, sharedCases } from './shared-models.ts';

/**
 * `optimize` on every shared model: before and after. `npm run bench -- models [words...] [--minimize WHAT]
 * [--budget SECONDS] [--seed N] [--out DIR]`; words choose models by name.
 */
const option = (name: string, absent: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? absent : process.argv[at + 1]!;
};
const words = process.argv
  .slice(2)
  .filter((arg, i, all) => !arg.startsWith('--') && !all[i - 1]?.startsWith('--'));

const { cases, absent } = sharedCases();
for (const name of absent) console.log(`skipped: data absent for ${name}`);
const machine = describeMachine();
console.log(
  `${machine.cpu}, ${machine.availableCores} cores, ${machine.features.join(' ')}; node ${machine.versions.node}, onnxruntime ${machine.versions.onnxruntime}; seed ${option('seed', '0')}\n`,
);
console.log(
  '| model | chosen | metric, held-out | loss (one-sided 95 %) | throughput vs default | one call vs default | latency | size |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const one of cases.filter(
  ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
)) {
  const out = join(option('out', scratch()), one.name);
  mkdirSync(out, { recursive: true });
  const { story, model } = await optimize({
    model: one.model,
    data: await one.data(scratch()),
    goal: { metric: one.metric, maxDrop: one.maxDrop, minimize: option('minimize', 'cost') as 'cost' },
    budget: Number(option('budget', '90')),
    seed: Number(option('seed', '0')),
    out,
  });
  const before = story.variants.find(({ status }) => status === 'baseline')!;
  const after = story.variants.find(({ id }) => id === story.chosen)!;
  console.log(row(one.name, story.metric.unit, before, after));
  if (one.name.startsWith('magika')) {
    const session = await openSession(model);
    const { value, n } = await evaluate(session, await magikaReference(scratch()), metricByName('top1'));
    await session.dispose();
    console.log(`| | on its reference set of ${n} files | top1 ${value.toFixed(2)} % | | | | | |`);
  }
}

function row(name: string, unit: string, before: StoryVariant, after: StoryVariant): string {
  const { figures } = after;
  const { heldOutDrop: drop, speedup, latencyRatio } = figures;
  const value = (of: StoryVariant) => {
    const figure = of.figures.heldOutAccuracy;
    return figure === undefined
      ? '–'
      : unit === '%'
        ? `${figure.value.toFixed(2)} %`
        : figure.value.toFixed(5);
  };
  const loss =
    drop === undefined
      ? '–'
      : `${drop.value.toFixed(unit === '%' ? 2 : 5)} (at most ${drop.high?.toFixed(unit === '%' ? 2 : 5)})`;
  const ratio = (figure: typeof speedup, invert = false) => {
    if (figure === undefined) return '–';
    const [value, low, high] = invert
      ? [1 / figure.value, 1 / (figure.high ?? Number.NaN), 1 / (figure.low ?? Number.NaN)]
      : [figure.value, figure.low ?? Number.NaN, figure.high ?? Number.NaN];
    return `**${value.toFixed(2)}x** (${low.toFixed(2)}–${high.toFixed(2)})`;
  };
  const both = (pick: 'latency' | 'size', unitOf: string) =>
    `${quantity(before.figures[pick]?.value ?? Number.NaN, unitOf)} → ${quantity(figures[pick]?.value ?? Number.NaN, unitOf)}`;
  return `| ${name} | ${after.title}; ${after.settings.run} | ${value(before)} → ${value(after)} | ${loss} | ${ratio(speedup)} | ${ratio(latencyRatio, true)} | ${both('latency', 'ms')} | ${both('size', 'B')} |`;
}
