import { join } from 'node:path';
import { fail, ModicumError } from '../../base/index.ts';
import { METRICS } from '../../measure/index.ts';
import { OBJECTIVES, type Objective, optimize, parseBytes, parseMilliseconds } from '../../optimize/index.ts';
import { renderDecisions, renderTerminal, type Story } from '../../report/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { dataOf, numberOf, secondsOf, wholeOf, withData } from '../options.ts';

export const optimizeCommand: Command = {
  name: 'optimize',
  summary: 'the main job: the cheapest variant that meets the goal, as a bundle with a report',
  configure(command) {
    command.argument('<model>', 'an .onnx file');
    withData(command, true)
      .option('--metric <name>', `what must hold: ${Object.keys(METRICS).join(', ')}`)
      .option(
        '--train-data <path>',
        'samples to learn from, apart from --data, with labels or without: smaller models are trained too',
      )
      .option('--max-drop <x>', 'the most the metric may lose, in its unit: points for shares (default: 1)')
      .option('--min-value <x>', 'the least the metric must reach (the most, for errors)')
      .option('--p99 <time>', 'bound on the 99th percentile of one call, such as 10ms')
      .option('--max-size <bytes>', 'bound on the model file, such as 300kB')
      .option('--minimize <what>', `${Object.keys(OBJECTIVES).join(', ')} (default: cost)`)
      .option('--budget <time>', 'time for the search', '60s')
      .option('--confidence <p>', 'how sure the bound on the loss is, one-sided (default: 0.95)')
      .option('--out <dir>', 'folder for the bundle (default: <model>.modicum)')
      .option('--explain', 'tell of every technique why it was taken, refused or not tried')
      .option('--resume [dir]', 'go on with a search that was stopped (default: <out>.partial)')
      .option('--seed <n>', 'of the split, the races and the bootstraps', '0')
      .option('--cores <n>', 'cores to use (default: all)')
      .option('--max-batch <n>', 'the largest batch to consider', '256')
      .option(
        '--price <usd|machine>',
        'dollars per machine-hour, or a machine of the price list, such as c7i.large',
      )
      .option('--watts-per-core <w>', 'what one busy core draws, where you know it')
      .option('--output <name>', 'the output the metric looks at')
      .option('--axis <n>', 'axis of the classes (default: the last)')
      .option('--k <n>', 'places of a ranking that count, for ndcg (default: 10)')
      .addHelpText(
        'after',
        `
The data is split into a calibration, a search and a held-out part; a variant is chosen only if its loss on the held-out
part is surely within --max-drop, and only if it is surely no slower than the model as given.

What the search has done is kept in <out>.partial until it ends. After a crash, a kill or Ctrl-C the same command with
--resume goes on from there; the budget is for all runs together.

Examples:
  modicum optimize model.onnx --data test.npz --metric top1 --max-drop 1 --out bundle
  modicum optimize model.onnx --data test.npz --train-data train.npz --metric top1 --budget 10m
  modicum optimize detector.onnx --data photos/ --metric cosine --minimize latency --p99 10ms`,
      );
  },
  async run([model = ''], options, { print, note, progress, signal }) {
    const config = await loadConfig();
    const metric = (options.metric as string | undefined) ?? config.goal?.metric;
    if (metric === undefined) {
      throw fail('USAGE_BAD_OPTION', '--metric is missing', {
        hint: `Say what must hold: one of ${Object.keys(METRICS).join(', ')}.`,
      });
    }
    const seconds = secondsOf('budget', options.budget);
    const data = await dataOf(options, config);
    if (data === undefined) throw fail('USAGE_BAD_OPTION', '--data is missing');
    const trainingData = await dataOf({ data: options.trainData, dataOptions: options.dataOptions }, config);
    const optional = (name: string, least?: number, most?: number) => {
      const text = options[name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
      return text === undefined ? undefined : numberOf(name, text, least, most);
    };
    const price = options.price ?? config.price;
    const out = (options.out as string | undefined) ?? model.replace(/(\.onnx)?$/, '.modicum');
    try {
      const { story, bundle } = await optimize({
        model,
        data,
        trainingData,
        goal: {
          metric,
          maxDrop: optional('max-drop', 0) ?? config.goal?.maxDrop,
          minValue: optional('min-value'),
          p99: parsed('p99', options.p99, parseMilliseconds) ?? config.goal?.p99,
          maxBytes: parsed('max-size', options.maxSize, parseBytes),
          minimize: (options.minimize as Objective | undefined) ?? config.goal?.minimize,
          confidence: optional('confidence', 0.5, 0.9999) ?? config.goal?.confidence,
        },
        metricOptions: {
          output: options.output as string | undefined,
          axis: options.axis === undefined ? undefined : wholeOf('axis', options.axis, -64, 64),
          k: options.k === undefined ? undefined : wholeOf('k', options.k, 1, 65536),
        },
        budget: seconds,
        seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
        cores: options.cores === undefined ? undefined : wholeOf('cores', options.cores, 1, 1024),
        largestBatch: wholeOf('max-batch', options.maxBatch, 1, 65536),
        price:
          typeof price === 'string' && Number.isFinite(Number(price))
            ? Number(price)
            : (price as string | undefined),
        wattsPerCore: optional('watts-per-core', 0.01, 1000) ?? config.wattsPerCore,
        out,
        partial: typeof options.resume === 'string' ? options.resume : undefined,
        resume: options.resume !== undefined,
        progress,
        signal,
      });
      print(renderTerminal(story));
      if (options.explain) print(`\n${renderDecisions(story.decisions ?? [])}`);
      print(`\n bundle ${out}\n report ${join(out, 'report.html')}`);
      return { json: { bundle, story } };
    } catch (thrown) {
      if (thrown instanceof ModicumError && thrown.code === 'GOAL_NOT_MET') {
        if (thrown.data.story !== undefined) note(renderTerminal(thrown.data.story as Story));
      }
      throw thrown;
    }
  },
};

/** A bound with its unit, above 0. Throws USAGE_BAD_OPTION, naming the option. */
function parsed(name: string, text: unknown, parse: (text: string) => number): number | undefined {
  if (text === undefined) return undefined;
  try {
    const value = parse(String(text));
    if (value > 0) return value;
  } catch (cause) {
    if (!(cause instanceof ModicumError)) throw cause;
    const why = cause.message.slice(cause.message.indexOf(': ') + 2);
    throw fail('USAGE_BAD_OPTION', `--${name}: ${why}`, {}, cause);
  }
  throw fail('USAGE_BAD_OPTION', `--${name} is "${text}", which nothing can keep; it must be above 0`);
}
