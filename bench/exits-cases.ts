import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TASKS } from '../examples/tasks.ts';
import { Random } from '../src/base/index.ts';
import { concatenate, type Dataset, subset } from '../src/data/index.ts';
import type { ExitsOptions } from '../src/exits/index.ts';
import { loadModel, saveModel } from '../src/files/index.ts';
import { costOf, type Model } from '../src/graph/index.ts';
import {
  architectureByName,
  buildForMacs,
  distill,
  type FitOptions,
  normalizeInputs,
  type Task,
  train,
} from '../src/train/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { mnist } from './mnist.ts';
import { spokenDigits } from './spoken-digits.ts';

/** A classifier, samples to train heads on, and samples that neither it nor its heads have seen. */
export interface ExitsCase {
  readonly name: string;
  readonly model: Model;
  /** A lighter model for the same task, where there is one: for a cascade. */
  readonly light?: Model;
  readonly training: Dataset;
  readonly data: Dataset;
  readonly options: Pick<ExitsOptions, 'exits' | 'output' | 'training'>;
}

/** A case, or why there is none. */
type Opening = (quick: boolean) => Promise<ExitsCase | string>;

/** One thread: runs repeat to the bit. */
const SETTINGS = { threads: 1 };

export const EXITS_CASES: Readonly<Record<string, Opening>> = {
  async mnist(quick) {
    const [parts, file] = [await mnist(), sharedData('mnist/mnist-8.onnx')];
    if (parts === undefined || file === undefined) return 'data absent: mnist';
    return {
      name: 'mnist: mnist-8',
      model: await loadModel(file),
      training: some(parts.train, quick ? 4000 : parts.train.size),
      data: some(concatenate([parts.validation, parts.test], 'MNIST'), quick ? 4000 : 15_000),
      options: { exits: 2, training: { samples: 40_000 } },
    };
  },
  async 'mnist-residual'(quick) {
    const parts = await mnist();
    if (parts === undefined) return 'data absent: mnist';
    const training = some(parts.train, quick ? 4000 : parts.train.size);
    const model = await netOf('mnist', training, quick ? 1 : 5);
    return {
      name: 'mnist: residual-cnn',
      model,
      light: await studentOf('mnist', model, training, quick ? 1 : 8),
      training,
      data: some(concatenate([parts.validation, parts.test], 'MNIST'), quick ? 4000 : 15_000),
      options: { exits: 2, training: { samples: 40_000 } },
    };
  },
  async 'spoken-digits'(quick) {
    const parts = await spokenDigits();
    if (parts === undefined) return 'data absent: spoken-digits';
    // Three in five recordings are kept from training: a promise about half a point takes six hundred samples at least.
    const all = concatenate([parts.train, parts.validation, parts.test], 'spoken digits');
    const isData = (i: number) => i % 5 >= 2;
    const indices = Array.from({ length: all.size }, (_, i) => i);
    const training = subset(
      all,
      indices.filter((i) => !isData(i)),
      'spoken digits (training)',
    );
    const kept = subset(all, indices.filter(isData), 'spoken digits (apart)');
    const model = await netOf('digits', training, quick ? 2 : 20);
    return {
      name: 'spoken-digits: residual-cnn',
      model,
      light: await studentOf('digits', model, training, quick ? 2 : 60),
      training,
      data: kept,
      options: { exits: 2, training: { epochs: 30 } },
    };
  },
  ...Object.fromEntries(
    TASKS.map((task) => [
      task.name,
      async (quick: boolean): Promise<ExitsCase | string> => {
        const file = ['examples', 'out/examples']
          .map((folder) => join(ROOT, folder, task.name, 'heavy.onnx'))
          .find((path) => existsSync(path));
        if (file === undefined) return `no trained model: npm run examples:train -- ${task.name}`;
        const training = await task.train(0, quick ? 900 : task.samples);
        const data = concatenate([await task.validation(), await task.test()], task.name);
        return {
          name: `${task.name}: heavy`,
          model: await loadModel(file),
          light: await loadModel(file.replace('heavy.onnx', 'light.onnx')),
          training,
          data: some(data, quick ? 2400 : data.size),
          options: { exits: 2, output: task.outputs[0]!.name, training: { samples: 40_000 } },
        };
      },
    ]),
  ),
};

const FIT: FitOptions = { batch: 64, optimizer: 'adamw', decay: 1e-3, seed: 0, settings: SETTINGS };
/** The lighter model of a cascade has at most this share of the multiply-accumulates. */
const LIGHT = 0.05;

/** A residual net for ten classes, trained once and kept in out/bench/. */
function netOf(name: string, training: Dataset, epochs: number): Promise<Model> {
  return kept(`exits-${name}-${epochs}`, async () => {
    const net = architectureByName('residual-cnn').build(
      taskOf(training),
      { width: 0.75, depth: 0.5 },
      new Random(0),
    );
    const started = await normalizeInputs(net, training);
    return (await train(started, training, { ...FIT, epochs, rate: 4e-3 })).model;
  });
}

/** A small perceptron that learned from the net, kept in the same way. */
function studentOf(name: string, teacher: Model, training: Dataset, epochs: number): Promise<Model> {
  return kept(`exits-${name}-light-${epochs}`, async () => {
    const macs = LIGHT * costOf(teacher).total.macs;
    const sized = buildForMacs(architectureByName('mlp'), taskOf(training), macs, new Random(0), {});
    const student = await normalizeInputs(sized.model, training);
    const taught = { ...FIT, epochs, rate: 2e-3, alpha: 0.9, temperature: 4 };
    return (await distill(teacher, student, training, taught)).model;
  });
}

async function kept(name: string, make: () => Promise<Model>): Promise<Model> {
  const path = resolve(`out/bench/${name}.onnx`);
  if (existsSync(path)) return loadModel(path);
  const model = await make();
  mkdirSync(resolve('out/bench'), { recursive: true });
  await saveModel(model, path);
  return model;
}

function taskOf(data: Dataset): Task {
  const { name, dtype, dims } = data.fields[0]!;
  return {
    inputs: [{ name, dtype, shape: ['N', ...dims] }],
    outputs: [{ name: 'scores', dtype: 'float32', shape: ['N', 10], kind: 'classes' }],
  };
}

/** Samples spread evenly over a dataset. */
function some(data: Dataset, count: number): Dataset {
  if (count >= data.size) return data;
  return subset(
    data,
    Array.from({ length: count }, (_, i) => Math.floor((i * data.size) / count)),
  );
}
