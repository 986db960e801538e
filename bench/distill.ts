import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Random } from '../src/base/index.ts';
import type { Dataset } from '../src/data/index.ts';
import { loadModel, saveModel } from '../src/files/index.ts';
import { costOf, type Model } from '../src/graph/index.ts';
import type { Evaluation } from '../src/measure/index.ts';
import {
  type ArchitectureName,
  architectureByName,
  buildForMacs,
  type DistillOptions,
  distill,
  type FitOptions,
  normalizeInputs,
  type Task,
  train,
} from '../src/train/index.ts';
import { sharedData } from '../test/shared-data.ts';
import { option, wanted } from './arguments.ts';
import { heading } from './heading.ts';
import { mnist } from './mnist.ts';
import { difference, seedsText, share, top1 } from './over-seeds.ts';
import type { Parts } from './parts.ts';
import { spokenDigits } from './spoken-digits.ts';

/**
 * Students at a tenth of their teacher's multiply-accumulates, from labels alone and distilled, three seeds each, paired on the
 * official test data. `npm run bench -- distill [experiment...] [--student ARCHITECTURE] [--validate]`: with --validate on the part that settings
 * are chosen by, and the test data is not looked at.
 */
interface Experiment {
  readonly name: string;
  readonly data: () => Promise<Parts | undefined>;
  /** A file of the shared data, or an architecture that is trained first. */
  readonly teacher: string | Built;
  /** As wide as a tenth of the teacher's multiply-accumulates allows. */
  readonly students: readonly Built[];
  /** What distillation adds to a student's `fit`. */
  readonly taught: Pick<DistillOptions, 'alpha' | 'temperature'>;
}

interface Built {
  readonly architecture: ArchitectureName;
  readonly options: Readonly<Record<string, unknown>>;
  readonly fit: FitOptions;
}

const SEEDS = [0, 1, 2];
/** One thread: runs repeat to the bit whatever number of cores there is. */
const SETTINGS = { threads: 1 };
const FIT: FitOptions = { batch: 128, optimizer: 'adamw', rate: 4e-3, decay: 1e-4, settings: SETTINGS };
/** A first kernel of 10x4, as for heavier nets, would take most of so small a budget. */
const SMALL = { kernel: [3, 3] };
const TENTH = 0.1;

const EXPERIMENTS: readonly Experiment[] = [
  {
    name: 'mnist',
    data: mnist,
    teacher: {
      architecture: 'residual-cnn',
      options: { width: 0.75, depth: 0.5 },
      fit: { ...FIT, epochs: 5 },
    },
    students: [
      { architecture: 'mlp', options: {}, fit: { ...FIT, rate: 2e-3, epochs: 8 } },
      { architecture: 'ds-cnn', options: SMALL, fit: { ...FIT, rate: 1e-2, epochs: 6 } },
    ],
    taught: { alpha: 0.9, temperature: 4 },
  },
  {
    name: 'digits',
    data: spokenDigits,
    teacher: { architecture: 'ds-cnn', options: {}, fit: { ...FIT, batch: 64, epochs: 20 } },
    students: [
      { architecture: 'mlp', options: {}, fit: { ...FIT, batch: 64, rate: 2e-3, epochs: 60 } },
      {
        architecture: 'ds-cnn',
        options: { ...SMALL, depth: 0.5 },
        fit: { ...FIT, batch: 64, rate: 1e-2, epochs: 40 },
      },
    ],
    taught: { alpha: 0.9, temperature: 4 },
  },
];

const validate = process.argv.includes('--validate');
console.log(heading(`seeds ${SEEDS.join(', ')}`));
for (const experiment of EXPERIMENTS.filter(({ name }) => wanted(name))) {
  const parts = await experiment.data();
  if (parts === undefined) console.log(`skipped: data absent for ${experiment.name}\n`);
  else await compare(experiment, parts);
}

async function compare(experiment: Experiment, parts: Parts): Promise<void> {
  const judged = validate ? parts.validation : parts.test;
  const teacher = await teacherOf(experiment, parts);
  const reference = await top1(teacher, judged);
  const { macs } = costOf(teacher).total;
  console.log(`**${experiment.name}**: ${parts.train.size} training samples, judged on ${judged.size}\n`);
  console.log(
    '| model | MACs | of the teacher | top-1, mean (each seed) | against the teacher | distilled against labels |',
  );
  console.log('|---|---|---|---|---|---|');
  console.log(`| teacher | ${thousands(macs)} | | ${share(reference)} | | |`);
  const task = taskOf(parts.train);
  for (const { architecture, options, fit } of experiment.students) {
    if (architecture !== (option('student') ?? architecture)) continue;
    const labelled: Evaluation[] = [];
    const taught: Evaluation[] = [];
    let size = 0;
    for (const seed of SEEDS) {
      const design = architectureByName(architecture);
      const sized = buildForMacs(design, task, TENTH * macs, new Random(seed), options);
      const student = await normalizeInputs(sized.model, parts.train);
      size = sized.macs;
      const plain = await train(student, parts.train, { ...fit, seed });
      labelled.push(await top1(plain.model, judged));
      const learned = await distill(teacher, student, parts.train, { ...fit, ...experiment.taught, seed });
      taught.push(await top1(learned.model, judged));
      const [one, other] = [labelled.at(-1)!, taught.at(-1)!].map(({ value }) => value.toFixed(2));
      const seconds = (plain.seconds + learned.seconds).toFixed(0);
      console.error(`${architecture}, seed ${seed}: labels ${one}, distilled ${other} (${seconds} s)`);
    }
    const row = (title: string, runs: readonly Evaluation[], last: string) =>
      `| ${architecture}, ${title} | ${thousands(size)} | ${((100 * size) / macs).toFixed(1)} % | ${seedsText(runs)} | ${difference(runs, [reference])} | ${last} |`;
    console.log(row('labels alone', labelled, ''));
    console.log(row('distilled', taught, difference(taught, labelled)));
  }
  console.log('');
}

/** Trained once, and kept in out/bench/. */
async function teacherOf({ name, teacher }: Experiment, { train: data }: Parts): Promise<Model> {
  if (typeof teacher === 'string') return loadModel(sharedData(teacher)!);
  const path = resolve(join('out/bench', `teacher-${name}.onnx`));
  if (existsSync(path)) {
    console.error(`the teacher is that of an earlier run; remove ${path} to train it anew`);
    return loadModel(path);
  }
  const raw = architectureByName(teacher.architecture).build(taskOf(data), teacher.options, new Random(0));
  const { model, seconds } = await train(await normalizeInputs(raw, data), data, {
    ...teacher.fit,
    seed: 0,
  });
  console.error(`teacher of ${name}: ${seconds.toFixed(0)} s of training`);
  mkdirSync(resolve('out/bench'), { recursive: true });
  await saveModel(model, path);
  return model;
}

/** Ten classes of what the data's only field holds. */
function taskOf({ fields }: Dataset): Task {
  const { name, dtype, dims } = fields[0]!;
  return {
    inputs: [{ name, dtype, shape: ['N', ...dims] }],
    outputs: [{ name: 'scores', dtype: 'float32', shape: ['N', 10], kind: 'classes' }],
  };
}

function thousands(macs: number): string {
  return `${Math.round(macs / 1000).toLocaleString('en')} k`;
}
