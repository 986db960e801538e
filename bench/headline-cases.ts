import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { judgedBy, type TaskOutput } from '../examples/task.ts';
import { TASKS } from '../examples/tasks.ts';
import { Random } from '../src/base/index.ts';
import { concatenate, type Dataset, inMemory } from '../src/data/index.ts';
import { Tensor } from '../src/graph/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { mnist } from './mnist.ts';
import { SEED } from './race.ts';
import { scratch, sharedCases, silero } from './shared-models.ts';

/** A model of the headline table, with all that it is judged by. */
export interface HeadlineCase {
  readonly name: string;
  readonly model: string;
  readonly metric: string;
  /** The output that the metric looks at; default: the first. */
  readonly output?: string;
  readonly maxDrop: number;
  readonly note: string;
  data(): Promise<Dataset>;
  /** Samples to learn from, where there are any. */
  training?(): Promise<Dataset | undefined>;
}

/** Samples of noise for models that are shared without data. */
const NOISE = 1000;

/** Every model of the shared folder and every example; `absent` are those whose files are not here. */
export function headlineCases(): { cases: HeadlineCase[]; absent: string[] } {
  const shared = sharedCases();
  const absent = [...shared.absent];
  const cases: HeadlineCase[] = shared.cases.map((one) => ({
    ...one,
    data: () => one.data(scratch()),
    ...(one.name === 'mnist-8' && { training: async () => (await mnist())?.train }),
  }));
  const half = sharedData('silero-vad/silero_vad_half.onnx');
  const wav = sharedData('silero-vad/test.wav');
  if (half === undefined || wav === undefined) absent.push('silero-vad-half');
  else {
    cases.push({
      name: 'silero-vad-half',
      model: half,
      metric: 'cosine',
      maxDrop: 0.01,
      note: 'fidelity on 60 s of speech, states of the model as given',
      data: () => silero(wav, half),
    });
  }
  for (const [name, file, dims] of [
    ['anomaly-detector', 'mlperf-tiny/alibaba_ad.onnx', [640]],
    ['visual-wake-words', 'mlperf-tiny/alibaba_vww.onnx', [3, 96, 96]],
  ] as const) {
    const model = sharedData(file);
    if (model === undefined) absent.push(name);
    else {
      const note = 'fidelity on seeded noise: the model is shared without data';
      cases.push({ name, model, metric: 'cosine', maxDrop: 0.01, note, data: async () => noise(dims) });
    }
  }
  for (const task of TASKS) {
    const model = join(ROOT, 'examples', task.name, 'heavy.onnx');
    if (!existsSync(model)) {
      absent.push(`${task.name} (npm run examples:train)`);
      continue;
    }
    const [{ name: output, metric, target }] = task.outputs as [TaskOutput, ...TaskOutput[]];
    cases.push({
      name: task.name,
      model,
      metric,
      output,
      maxDrop: 1,
      note: `the heavy model of the example, ${task.summary}`,
      data: async () => judgedBy(concatenate([await task.validation(), await task.test()]), target),
      training: () => task.train(SEED, task.samples),
    });
  }
  return { cases, absent };
}

function noise(dims: readonly number[]): Dataset {
  const random = new Random(SEED);
  const size = dims.reduce((product, dim) => product * dim, NOISE);
  const values = Float32Array.from({ length: size }, () => random.normal());
  return inMemory({ actual_input_1: Tensor.float32([NOISE, ...dims], values) }, undefined, {
    name: 'seeded noise',
  });
}
