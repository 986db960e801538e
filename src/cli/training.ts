import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command as Commander } from 'commander';
import { fail, Random } from '../base/index.ts';
import { type Dataset, subset } from '../data/index.ts';
import { assertPlace, saveModel } from '../files/index.ts';
import { METRICS, metricByName } from '../measure/index.ts';
import { quantity, textTable } from '../report/index.ts';
import { type FitOptions, type FitResult, OPTIMIZERS, SCHEDULES, type Validation } from '../train/index.ts';
import type { Console } from './command.ts';
import type { LoadedConfig } from './config.ts';
import { dataOf, numberOf, secondsOf, wholeOf } from './options.ts';

/** Adds what every command that trains takes. `epochs`: how long it trains where nothing is said. */
export function withTraining(command: Commander, epochs: string): Commander {
  const names = (rows: Readonly<Record<string, { readonly summary: string }>>) =>
    Object.entries(rows)
      .map(([name, { summary }]) => `${name} (${summary})`)
      .join(', ');
  return command
    .option('--epochs <n>', `times that every sample is seen (default: ${epochs})`)
    .option('--steps <n>', 'steps, instead of epochs')
    .option('--time <time>', 'time to train, such as 5m, instead of epochs; such a run cannot be repeated')
    .option('--batch <n>', 'samples a step', '64')
    .option('--optimizer <name>', names(OPTIMIZERS), 'adam')
    .option('--rate <x>', 'learning rate (default: what suits the optimizer)')
    .option('--schedule <name>', names(SCHEDULES), 'cosine')
    .option('--warm-up <n>', 'steps in which the rate rises (default: a twentieth of the run)')
    .option('--decay <x>', 'weight decay')
    .option('--momentum <x>', 'of the mean of gradients (default: 0.9)')
    .option('--clip <x>', "most of the gradient's norm")
    .option('--average <x>', 'ends with a moving average of the weights of this decay, such as 0.999')
    .option('--mixup <alpha>', 'mixes samples in pairs, such as 0.2')
    .option('--smoothing <x>', 'share of a label that is spread over all classes, such as 0.1')
    .option('--freeze <regex...>', 'weights that stay as they are, by name')
    .option('--only <regex...>', 'weights that are trained, by name (default: all)')
    .option('--freeze-norms', 'leaves the statistics of batch normalizations as they are')
    .option(
      '--validation <path>',
      'samples that choose the best epoch (default with --metric: a tenth of --data)',
    )
    .option('--metric <name>', `what is looked at after each epoch: ${Object.keys(METRICS).join(', ')}`)
    .option('--output <name>', 'the output the metric looks at')
    .option('--axis <n>', 'axis of the classes (default: the last)')
    .option('--patience <n>', 'epochs without a gain after which training ends')
    .option('--checkpoint <file>', 'where a killed run goes on from (default: <out>.checkpoint)')
    .option('--no-checkpoint', 'writes none')
    .option('--seed <n>', 'of the order of samples and the mixing', '0')
    .option('--threads <n>', 'threads (default: all cores)')
    .option('--out <file>', 'the .onnx file to write');
}

export interface TrainingRequest<Data extends Dataset | undefined = Dataset> {
  /** What is trained on. */
  readonly data: Data;
  readonly fit: FitOptions & { readonly axis?: number; readonly smoothing?: number };
  readonly out: string;
  readonly checkpoint: string | undefined;
  /** Takes the checkpoints of the run away, once its result is safe. */
  removeCheckpoints(): Promise<void>;
}

interface Places {
  /** Where the result goes unless --out says otherwise. */
  readonly out: string;
  /** Models that are read, and must not be lost. */
  readonly inputs: readonly string[];
}

/**
 * Reads the options of `withTraining`, and opens the data, which may be absent where it is not `required`. Throws
 * USAGE_BAD_OPTION, DATA_*, FILE_NOT_WRITTEN.
 */
export async function trainingRequest(
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
  places: Places,
  console: Console,
): Promise<TrainingRequest>;
export async function trainingRequest(
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
  places: Places,
  console: Console,
  required: boolean,
): Promise<TrainingRequest<Dataset | undefined>>;
export async function trainingRequest(
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
  places: Places,
  { progress, signal }: Console,
  required = true,
): Promise<TrainingRequest<Dataset | undefined>> {
  const out = (options.out as string | undefined) ?? places.out;
  if (places.inputs.some((path) => resolve(path) === resolve(out))) {
    throw fail('USAGE_BAD_OPTION', '--out is a model that is read, which would be lost');
  }
  await assertPlace(out);
  const whole = (name: string, least: number, most = 1e9) => {
    const given = options[camel(name)];
    return given === undefined ? undefined : wholeOf(name, given, least, most);
  };
  const number = (name: string, least: number, most = Number.POSITIVE_INFINITY) => {
    const given = options[camel(name)];
    return given === undefined ? undefined : numberOf(name, given, least, most);
  };
  const whatever = await dataOf(options, config);
  if (whatever === undefined && required) throw fail('USAGE_BAD_OPTION', '--data is missing');
  const seed = whole('seed', 0, 2 ** 31 - 1) ?? 0;
  const { data, validation } =
    whatever === undefined ? {} : await validationOf(options, config, whatever, seed);
  const momentum = number('momentum', 0, 1);
  const checkpoint =
    options.checkpoint === false
      ? undefined
      : typeof options.checkpoint === 'string'
        ? options.checkpoint
        : `${out}.checkpoint`;
  const threads = whole('threads', 1, 1024);
  const removeCheckpoints = async () => {
    if (checkpoint === undefined) return;
    for (const name of await readdir(dirname(resolve(checkpoint)))) {
      // Runs of several parts number their checkpoints.
      if (name.replace(/\.\d+$/, '') === basename(checkpoint))
        await rm(join(dirname(checkpoint), name), { force: true });
    }
  };
  return {
    removeCheckpoints,
    data,
    out,
    checkpoint,
    fit: {
      epochs: whole('epochs', 1),
      steps: whole('steps', 1),
      seconds: options.time === undefined ? undefined : secondsOf('time', options.time),
      batch: whole('batch', 1, 65536),
      optimizer: String(options.optimizer),
      ...(momentum !== undefined && { optimizerOptions: { momentum } }),
      rate: number('rate', 0),
      schedule: String(options.schedule),
      warmUp: whole('warm-up', 0),
      decay: number('decay', 0),
      clip: number('clip', 0),
      average: number('average', 0, 1),
      mixup: number('mixup', 0),
      smoothing: number('smoothing', 0, 1),
      axis: whole('axis', -64, 64),
      freeze: options.freeze as string[] | undefined,
      only: options.only as string[] | undefined,
      normalization: options.freezeNorms === true ? 'frozen' : 'batch',
      validation,
      checkpoint,
      seed,
      ...(threads !== undefined && { settings: { threads } }),
      progress,
      signal,
    },
  };
}

function camel(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The samples that choose the best epoch: those that are given, else every tenth of a shuffle of the data. */
async function validationOf(
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
  data: Dataset,
  seed: number,
): Promise<{ data: Dataset; validation?: Validation }> {
  if (options.metric === undefined) {
    if (options.validation === undefined) return { data };
    throw fail('USAGE_BAD_OPTION', '--validation needs --metric: what to look at');
  }
  const metric = metricByName(String(options.metric), {
    output: options.output as string | undefined,
    axis: options.axis === undefined ? undefined : wholeOf('axis', options.axis, -64, 64),
  });
  if (metric.needs.reference) {
    throw fail(
      'USAGE_BAD_OPTION',
      `${metric.name} compares with another model; choose one that looks at labels`,
    );
  }
  const patience = options.patience === undefined ? undefined : wholeOf('patience', options.patience, 1, 1e6);
  if (options.validation !== undefined) {
    const given = await dataOf({ data: options.validation, dataOptions: options.dataOptions }, config);
    return { data, validation: { data: given!, metric, patience } };
  }
  const { training, held } = tenth(data, seed);
  return { data: training, validation: { data: held, metric, patience } };
}

function tenth(data: Dataset, seed: number): { training: Dataset; held: Dataset } {
  const count = Math.floor(data.size / 10);
  if (count < 1) {
    throw fail(
      'DATA_TOO_FEW',
      `${data.name} has ${data.size} samples: too few to validate on a tenth of them`,
      {
        hint: 'Give samples with --validation, or leave --metric out.',
      },
    );
  }
  const all = Array.from({ length: data.size }, (_, i) => i);
  const held = new Set(new Random(seed).shuffle([...all]).slice(0, count));
  return {
    training: subset(
      data,
      all.filter((i) => !held.has(i)),
    ),
    held: subset(
      data,
      [...held].sort((a, b) => a - b),
    ),
  };
}

/** Saves what was fitted, takes the checkpoint away, and says what happened. */
export async function finishTraining(
  result: FitResult,
  request: TrainingRequest,
  { print, note }: Console,
): Promise<Record<string, unknown>> {
  await saveModel(result.model, request.out);
  await request.removeCheckpoints();
  const { losses, validation, bestEpoch, steps, batch, seconds, weights, parameters, resumed } = result;
  const metric = request.fit.validation?.metric;
  if (resumed) print('went on from a checkpoint');
  if (losses.length > 0) {
    const shown = losses.flatMap((loss, i) =>
      losses.length <= 12 || i % Math.ceil(losses.length / 10) === 0 || i === losses.length - 1
        ? [
            [
              String(i + 1),
              loss.toPrecision(4),
              ...(metric === undefined ? [] : [quantity(validation[i] ?? Number.NaN, metric.unit)]),
            ],
          ]
        : [],
    );
    const head = ['epoch', 'loss', ...(metric === undefined ? [] : [metric.name])];
    print(
      textTable(
        head,
        shown,
        head.map(() => 'right'),
      ),
    );
  }
  if (losses.length > 1 && !(losses.at(-1)! < losses[0]!)) {
    note('the loss did not fall: try a lower --rate, more --epochs or --clip 1');
  }
  if (bestEpoch !== undefined)
    print(`\nthe weights are those after epoch ${bestEpoch}, the best on the validation samples`);
  print(
    `\n${quantity(parameters, '')} numbers in ${weights.length} weights, ${steps} steps of ${batch} samples in ${seconds.toFixed(1)} s`,
  );
  print(` wrote ${request.out}`);
  return {
    out: request.out,
    losses,
    validation,
    bestEpoch,
    steps,
    batch,
    seconds,
    weights,
    parameters,
    resumed,
  };
}
