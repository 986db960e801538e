import { SILENT } from '../src/base/index.ts';
import { type Dataset, subset } from '../src/data/index.ts';
import {
  answersOf,
  type ExitsResult,
  exits,
  type MeasuredExits,
  measureExits,
  nestedIf,
  ONE_FILE,
  STAGES,
} from '../src/exits/index.ts';
import { costOf, type Model } from '../src/graph/index.ts';
import {
  compareEvaluations,
  type Evaluation,
  evaluate,
  type Measurement,
  metricByName,
} from '../src/measure/index.ts';
import { openSession, type Session } from '../src/run/index.ts';
import { openStaged } from '../src/staged/index.ts';
import { cleanUp, freeBatch, STATIC_DEFAULTS, staticQuantization } from '../src/transform/index.ts';
import { option, wanted } from './arguments.ts';
import { EXITS_CASES, type ExitsCase } from './exits-cases.ts';
import { heading } from './heading.ts';
import { SEED } from './race.ts';

/**
 * Early exits on top of 8 bits, against the whole model in 8 bits: accuracy and its difference on samples apart, mean work, and time at
 * batch 1 and 32, in turns within one run. The promise is against the same 8-bit model with nobody leaving. `npm run bench -- exits [mnist|spoken-digits|keyword-spotter|recommender|driving...]
 * [--max-drop POINTS] [--exits N] [--by time|macs] [--joint] [--quick]`. Places and thresholds are chosen by measured time unless told.
 */
const quick = process.argv.includes('--quick');
const joint = process.argv.includes('--joint');
const maxDrop = Number(option('max-drop') ?? 0.5);
/** One thread: the time of a sample, and runs that repeat. */
const SETTINGS = { threads: 1 };
const CALIBRATION = 512;
const BATCHES = [1, 32];

console.log(
  heading(`seed ${SEED}, 1 thread, at most ${maxDrop} points at 95 %${joint ? ', trained jointly' : ''}`),
);
console.log(
  '| model | accuracy: fp32, int8, int8 with exits | against int8, points | against fp32, points | promise | leave at | MACs of the whole | time saved, batch 1: stages, one file | batch 32: stages |',
);
console.log('|---|---|---|---|---|---|---|---|---|');
for (const [name, open] of Object.entries(EXITS_CASES)) {
  if (!wanted(name)) continue;
  const found = await open(quick);
  if (typeof found === 'string') console.log(`skipped: ${found}`);
  else await bench(found);
}

async function bench(one: ExitsCase): Promise<void> {
  const { name, model, training, data, options } = one;
  const began = performance.now();
  const result = await exits(model, {
    ...options,
    exits: Number(option('exits') ?? options.exits),
    data,
    trainingData: training,
    training: { ...options.training, ...(quick && { epochs: 3 }) },
    jointTraining: { epochs: quick ? 1 : 5, samples: 20_000 },
    maxDrop,
    by: option('by') === 'macs' ? 'macs' : 'time',
    joint,
    int8: true,
    against: 'end',
    seed: SEED,
    settings: SETTINGS,
  });
  console.error(`${name}: exits made in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  for (const { node, depth, time, accuracy, leaves, chosen } of result.report.places) {
    const figures = [depth, time ?? depth, accuracy, leaves]
      .map((value) => `${(100 * value).toFixed(1)} %`)
      .join(', ');
    console.error(`  ${chosen ? '>' : ' '} ${node}: ${figures}`);
  }
  const int8 = await wholeInt8(result.whole, result.parts.training);
  const measured = await measureExits(result.staged, int8, {
    data: result.parts.test,
    oneFile: await nestedIf(result.staged),
    batches: BATCHES,
    seconds: quick ? 1 : 6,
    settings: SETTINGS,
    seed: SEED,
  });
  console.log(await row(name, result, int8, measured));
}

/** The whole model in 8 bits, as `quantize` makes it, calibrated on as many samples. */
async function wholeInt8(whole: Model, training: Dataset): Promise<Model> {
  const indices = Array.from({ length: Math.min(CALIBRATION, training.size) }, (_, i) =>
    Math.floor((i * training.size) / Math.min(CALIBRATION, training.size)),
  );
  const context = { progress: SILENT, seed: SEED, calibration: subset(training, indices) };
  const { model: free } = await freeBatch.apply(whole, freeBatch.defaults, context);
  const { model: clean } = await cleanUp.apply(free, cleanUp.defaults, context);
  return (await staticQuantization.apply(clean, STATIC_DEFAULTS, context)).model;
}

async function row(name: string, result: ExitsResult, int8: Model, measured: MeasuredExits): Promise<string> {
  const { report, staged, whole, parts } = result;
  const { decision } = answersOf(whole, report.decision);
  const threshold = decision.scale === 'logits' ? 0 : 0.5;
  const metric = metricByName('accuracy', { output: decision.name, threshold });
  const judge = async (session: Session): Promise<Evaluation> => {
    try {
      return await evaluate(session, parts.test, metric, { batch: 32, seed: SEED });
    } finally {
      await session.dispose();
    }
  };
  const plain = await judge(await openSession(whole, SETTINGS));
  const quantized = await judge(await openSession(int8, SETTINGS));
  const early = await judge(await openStaged(staged, SETTINGS));
  const against = (other: Evaluation) => {
    const { value, interval } = compareEvaluations(other, early, metric);
    return `${value.toFixed(2)} (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`;
  };
  const { certificate, exits: rows, test } = report;
  const promise =
    certificate.outcome === 'certified'
      ? `p = ${certificate.pValue.toPrecision(2)}, n = ${certificate.n}`
      : 'infeasible';
  const leaving = rows.map(({ leaves }) => (100 * leaves.value).toFixed(0)).join(' / ');
  const speed = (batch: number, contestant: string) => {
    const found = measured.batches
      .find((one) => one.batch === batch)
      ?.contestants.find((one) => one.name === contestant);
    return found === undefined ? '–' : times(found.throughputRatio);
  };
  const macs = `${(100 * test.macsShare).toFixed(1)} % of ${Math.round(costOf(whole).total.macs / 1000).toLocaleString('en')} k`;
  const accuracies = [plain, quantized, early].map(({ value }) => value.toFixed(2)).join(', ');
  return `| ${name} | ${accuracies} % (n = ${early.n}) | ${against(quantized)} | ${against(plain)} | ${promise} | ${leaving} % | ${macs} | ${speed(1, STAGES)}, ${speed(1, ONE_FILE)} | ${speed(32, STAGES)} |`;
}

function times({ value, interval }: Measurement): string {
  const bounds = interval === undefined ? '' : ` (${interval.low.toFixed(2)}–${interval.high.toFixed(2)})`;
  return `**${value.toFixed(2)}x**${bounds}`;
}
