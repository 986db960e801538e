import { SILENT } from '../src/base/index.ts';
import { type Dataset, subset } from '../src/data/index.ts';
import {
  answersOf,
  type CascadeResult,
  cascadeOf,
  exits,
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
import {
  cleanUp,
  freeBatch,
  STATIC_DEFAULTS,
  type StaticOptions,
  staticQuantization,
} from '../src/transform/index.ts';
import { option, wanted } from './arguments.ts';
import { EXITS_CASES, type ExitsCase } from './exits-cases.ts';
import { heading } from './heading.ts';
import { race, SEED } from './race.ts';

/**
 * Early exits on top of the fastest form of a model (float, 8 bits, 8 bits but the first layer), against that form: accuracy and its
 * difference on samples apart, mean work, and time at batch 1 and 32, in turns within one run. The promise is against the same form with
 * nobody leaving. `npm run bench -- exits [mnist|spoken-digits|keyword-spotter|recommender|driving...] [--max-drop POINTS] [--exits N]
 * [--by time|macs] [--joint] [--quick]`. Places and thresholds are chosen by measured time unless told.
 */
const quick = process.argv.includes('--quick');
const joint = process.argv.includes('--joint');
const maxDrop = Number(option('max-drop') ?? 0.5);
/** One thread: the time of a sample, and runs that repeat. */
const SETTINGS = { threads: 1 };
const CALIBRATION = 512;
const BATCHES = [1, 32];
/** Forms of the whole model: exits are put on top of the fastest, which they are compared with. */
const FORMS = {
  float: undefined,
  int8: {},
  'int8, first layer in float': { keepFirst: 1 },
} as const satisfies Record<string, Partial<StaticOptions> | undefined>;

console.log(
  heading(`seed ${SEED}, 1 thread, at most ${maxDrop} points at 95 %${joint ? ', trained jointly' : ''}`),
);
console.log(
  '| model | accuracy: as given, in this form, with exits | against this form, points | against as given, points | promise | leave at | MACs of the whole | speed against this form, batch 1: stages, one file | batch 32: stages |',
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
  const forms = await formsOf(one);
  const { form, model: base, words } = await fastest(forms, data);
  console.error(`${name}: ${words}`);
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
    int8: FORMS[form] ?? false,
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
  await printRow(`${name}, ${form}`, result, base, result.whole);
  if (one.light === undefined) return;
  const small = await fastest(await formsOf({ ...one, model: one.light }), data);
  const models = [
    { id: 'light', model: small.model },
    { id: 'heavy', model: base },
  ];
  const { output } = options;
  const cascade = await cascadeOf(models, { data, output, maxDrop, seed: SEED, settings: SETTINGS });
  await printRow(`${name}, ${form}, behind light, ${small.form}`, cascade, base, result.whole);
}

type Form = keyof typeof FORMS;

/** The whole model in each form, calibrated on as many training samples as exits are. */
async function formsOf({ model, training }: ExitsCase): Promise<Map<Form, Model>> {
  const count = Math.min(CALIBRATION, training.size);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * training.size) / count));
  const context = { progress: SILENT, seed: SEED, calibration: subset(training, indices) };
  const { model: free } = await freeBatch.apply(model, freeBatch.defaults, context);
  const { model: clean } = await cleanUp.apply(free, cleanUp.defaults, context);
  const forms = new Map<Form, Model>();
  for (const [form, options] of Object.entries(FORMS) as [Form, Partial<StaticOptions> | undefined][]) {
    const made =
      options === undefined
        ? clean
        : (await staticQuantization.apply(clean, { ...STATIC_DEFAULTS, ...options }, context)).model;
    forms.set(form, made);
  }
  return forms;
}

/** The form with the most samples per second in batches of 8, all raced in turns. */
async function fastest(
  forms: ReadonlyMap<Form, Model>,
  data: Dataset,
): Promise<{ readonly form: Form; readonly model: Model; readonly words: string }> {
  const setting = { ...SETTINGS, instances: 1, batch: 8 };
  const entries = [...forms].map(([title, model]) => ({ title, model, setting }));
  const raced = await race(entries, data, quick ? 1 : 4);
  const best = raced.reduce((a, b) => (b.speedRatio.value > a.speedRatio.value ? b : a));
  const words = raced.map((one) => `${one.name} ${one.speedRatio.value.toFixed(2)}x`).join('; ');
  const form = best.name as Form;
  return { form, model: forms.get(form)!, words };
}

/** What exits or a cascade do, against the whole model in one form (`base`) and as it was given. */
async function printRow(
  name: string,
  result: Pick<CascadeResult, 'staged' | 'report' | 'parts'>,
  base: Model,
  whole: Model,
): Promise<void> {
  const { report, staged, parts } = result;
  const measured = await measureExits(staged, base, {
    data: parts.test,
    oneFile: await nestedIf(staged),
    batches: BATCHES,
    seconds: quick ? 1 : 6,
    settings: SETTINGS,
    seed: SEED,
  });
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
  const quantized = await judge(await openSession(base, SETTINGS));
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
  const text = `| ${name} | ${accuracies} % (n = ${early.n}) | ${against(quantized)} | ${against(plain)} | ${promise} | ${leaving} % | ${macs} | ${speed(1, STAGES)}, ${speed(1, ONE_FILE)} | ${speed(32, STAGES)} |`;
  console.log(text);
}

function times({ value, interval }: Measurement): string {
  const bounds = interval === undefined ? '' : ` (${interval.low.toFixed(2)}–${interval.high.toFixed(2)})`;
  return `**${value.toFixed(2)}x**${bounds}`;
}
