import { Random } from '../src/base/index.ts';
import {
  answersOf,
  certify,
  type ExitTable,
  exits,
  exitTable,
  fitTemperature,
  fromSafest,
  outcomeOf,
  recordStages,
  stageScores,
  type Thresholds,
  thresholdPath,
} from '../src/exits/index.ts';
import { option, wanted } from './arguments.ts';
import { EXITS_CASES, type ExitsCase } from './exits-cases.ts';
import { heading } from './heading.ts';
import { SEED } from './race.ts';

/**
 * How often thresholds break what was promised of them, over random divisions of recorded scores: nothing is trained again.
 * `npm run bench -- exits-bound [mnist|spoken-digits|keyword-spotter|recommender|driving...] [--splits 200] [--quick]`.
 *
 * Drawn: tuning and certification samples are drawn with replacement, so that the recorded samples are all there is, and the fall of
 * the accuracy under the thresholds is known exactly. Split: each sample is in one part only, and the fall is that of the samples left
 * over, few enough to be above the bound now and then by chance alone. `tuned`: thresholds that the tuning part alone allows.
 */
const quick = process.argv.includes('--quick');
const splits = Number(option('splits') ?? (quick ? 20 : 200));
const SETTINGS = { threads: 1 };
/** Shares of the recorded samples. */
const [TUNING, CERTIFICATION] = [0.25, 0.5];
const BOUNDS = [0.005, 0.01, 0.02].flatMap((maxDrop) =>
  [0.9, 0.95].map((confidence) => ({ maxDrop, confidence })),
);

console.log(heading(`seed ${SEED}, ${splits} divisions`));
console.log(
  '| model | recorded | bound, points | confidence | broken: drawn | allowed | split: above the bound on the rest | infeasible | mean fall | mean MACs | tuned: broken, drawn |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|');
for (const [name, open] of Object.entries(EXITS_CASES)) {
  if (!wanted(name)) continue;
  const found = await open(quick);
  if (typeof found === 'string') console.log(`skipped: ${found}`);
  else await bench(found);
}

interface Recording {
  readonly samples: number;
  /** The table of all samples, with temperatures fitted to some. */
  table(tuning: readonly number[]): ExitTable;
}

/** Exits once made, and what they say of all samples that nothing was trained on. */
async function recording(one: ExitsCase): Promise<Recording> {
  const { staged, whole, report } = await exits(one.model, {
    ...one.options,
    data: one.data,
    trainingData: one.training,
    training: { ...one.options.training, ...(quick && { epochs: 3 }) },
    // Wide enough that exits stay: here they are only asked.
    maxDrop: 20,
    seed: SEED,
    settings: SETTINGS,
  });
  const answers = answersOf(whole, report.decision);
  const { decision } = answers;
  const kept = await recordStages(staged, whole, answers, one.data, { settings: SETTINGS });
  const { size: classes, scale } = decision;
  const temperatureOf = (stage: number, tuning: readonly number[]) => {
    const values = stageScores(kept, stage, decision);
    const scores = tuning.flatMap((i) => Array.from(values.subarray(i * classes, (i + 1) * classes)));
    return fitTemperature({ scores, classes, scale, truth: tuning.map((i) => kept.truth[i]!) }).temperature;
  };
  return {
    samples: kept.samples,
    table(tuning) {
      const temperatures = staged.stages.slice(0, -1).map((_, i) => temperatureOf(i, tuning));
      return exitTable(kept, staged, decision, temperatures, 'max-probability');
    },
  };
}

/** The rows of some samples of a table. */
function chosen(table: ExitTable, samples: readonly number[]): ExitTable {
  return {
    samples: samples.length,
    macs: table.macs,
    confidence: table.confidence.map((values) => Float64Array.from(samples, (i) => values[i]!)),
    right: table.right.map((values) => Uint8Array.from(samples, (i) => values[i]!)),
    whole: Uint8Array.from(samples, (i) => table.whole[i]!),
  };
}

async function bench(one: ExitsCase): Promise<void> {
  const recorded = await recording(one);
  const all = Array.from({ length: recorded.samples }, (_, i) => i);
  const sizes = [TUNING, CERTIFICATION].map((share) => Math.floor(share * all.length));
  const [tuning, both] = [sizes[0]!, sizes[0]! + sizes[1]!];
  const counts = BOUNDS.map(() => ({ drawn: 0, split: 0, tuned: 0, infeasible: 0, fall: 0, macs: 0 }));
  const random = new Random(SEED + 1);
  for (let i = 0; i < splits; i++) {
    const draw = (n: number) => Array.from({ length: n }, () => random.below(all.length));
    const drawn = tried(recorded, draw(tuning), draw(both - tuning), all);
    const order = random.shuffle([...all]);
    const split = tried(recorded, order.slice(0, tuning), order.slice(tuning, both), order.slice(both));
    for (const [at, count] of counts.entries()) {
      const found = drawn[at]!;
      count.drawn += found.broken ? 1 : 0;
      count.split += split[at]!.broken ? 1 : 0;
      count.tuned += found.tunedBroken ? 1 : 0;
      count.infeasible += found.infeasible ? 1 : 0;
      count.fall += found.fall / splits;
      count.macs += found.macs / splits;
    }
  }
  const percent = (value: number) => `${((100 * value) / splits).toFixed(1)} %`;
  for (const [at, { maxDrop, confidence }] of BOUNDS.entries()) {
    const { drawn, split, infeasible, fall, macs, tuned } = counts[at]!;
    console.log(
      `| ${one.name} | ${all.length} | ${100 * maxDrop} | ${(100 * confidence).toFixed(0)} % | **${percent(drawn)}** | ${(100 * (1 - confidence)).toFixed(0)} % | ${percent(split)} | ${percent(infeasible)} | ${(100 * fall).toFixed(2)} | ${(100 * macs).toFixed(1)} % | ${percent(tuned)} |`,
    );
  }
}

/** One division: for each bound the thresholds by its tuning and certification samples, and what they do to `judged`. */
function tried(
  recorded: Recording,
  tuning: readonly number[],
  certification: readonly number[],
  judged: readonly number[],
) {
  const table = recorded.table(tuning);
  const tuningTable = chosen(table, tuning);
  const path = thresholdPath(tuningTable);
  const tested = chosen(table, certification);
  const truth = chosen(table, judged);
  const fallIn = (part: ExitTable, thresholds: Thresholds) => {
    const { lost, gained, n } = outcomeOf(part, thresholds);
    return (lost - gained) / n;
  };
  return BOUNDS.map(({ maxDrop, confidence }) => {
    const steps = fromSafest(path, tuningTable, maxDrop);
    const { outcome, thresholds } = certify(steps, tested, { maxDrop, confidence });
    const within = path.findLast((one) => fallIn(tuningTable, one) <= maxDrop) ?? path[0]!;
    const fall = fallIn(truth, thresholds);
    return {
      fall,
      broken: outcome === 'certified' && fall > maxDrop,
      tunedBroken: fallIn(truth, within) > maxDrop,
      infeasible: outcome === 'infeasible',
      macs: outcomeOf(truth, thresholds).macs / truth.macs.at(-1)!,
    };
  });
}
