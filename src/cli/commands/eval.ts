import { fail } from '../../base/index.ts';
import { evaluate, METRICS, metricByName } from '../../measure/index.ts';
import { quantity } from '../../report/index.ts';
import { openSession } from '../../run/index.ts';
import { openScoring } from '../../tokens/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { isLanguageModel, textsOf } from '../language-model.ts';
import { dataOf, numberOf, wholeOf, withData } from '../options.ts';

export const evalCommand: Command = {
  name: 'eval',
  summary: 'accuracy of a model on data, or its fidelity to another model',
  configure(command) {
    command.argument('<model>', 'an .onnx file');
    withData(command, true)
      .requiredOption('--metric <name>', Object.keys(METRICS).join(', '))
      .option(
        '--against <model>',
        'the model it is compared with, for fidelity (agreement, cosine, sqnr, kl, max-error)',
      )
      .option('--output <name>', 'the output to look at (default: the first; for fidelity all)')
      .option('--axis <n>', 'axis of the classes (default: the last)')
      .option('--threshold <x>', 'a single score at or above it means yes (default: 0.5)')
      .option('--k <n>', 'places of a ranking that count, for ndcg (default: 10)')
      .option('--batch <n>', 'samples per run, where the model allows it', '32')
      .option('--threads <n>', 'threads (default: all cores)')
      .option(
        '--tokenizer <file>',
        'of a language model, whose data are texts: .txt or .jsonl (default: tokenizer.json beside it)',
      )
      .addHelpText(
        'after',
        '\nExamples:\n  modicum eval model.onnx --data test.npz --metric top1\n  modicum eval int8.onnx --against model.onnx --data photos/ --metric cosine\n  modicum eval llm/model.onnx --data stories.txt --metric perplexity',
      );
  },
  async run([model = ''], options, { print, progress, signal }) {
    const metric = metricByName(String(options.metric), {
      output: options.output as string | undefined,
      axis: options.axis === undefined ? undefined : wholeOf('axis', options.axis, -64, 64),
      threshold: options.threshold === undefined ? undefined : numberOf('threshold', options.threshold),
      k: options.k === undefined ? undefined : wholeOf('k', options.k, 1, 65536),
    });
    const against = options.against as string | undefined;
    if (metric.needs.reference && against === undefined) {
      throw fail('METRIC_UNFIT', `${metric.name} compares with another model and none is given`, {
        hint: 'Give the model to compare with: --against MODEL.',
      });
    }
    const batch = wholeOf('batch', options.batch, 1, 65536);
    const settings =
      options.threads === undefined ? {} : { threads: wholeOf('threads', options.threads, 1, 1024) };
    const config = await loadConfig();
    const language = await isLanguageModel(model);
    const dataset = language ? await textsOf(model, options, config) : await dataOf(options, config);
    if (dataset === undefined) throw fail('USAGE_BAD_OPTION', '--data is missing');
    const open = language ? openScoring : openSession;
    const session = await open(model, settings);
    const reference = against === undefined ? undefined : await open(against, settings);
    try {
      const result = await evaluate(session, dataset, metric, { reference, batch, progress, signal });
      const { value, interval, n, nonFinite, record } = result;
      const range = `${quantity(interval.low, metric.unit)} to ${quantity(interval.high, metric.unit)}`;
      print(`${metric.name}: ${quantity(value, metric.unit)}`);
      print(`  ${interval.level * 100} % interval ${range} (${interval.method}), ${n} samples`);
      if (nonFinite > 0) print(`  ${nonFinite} samples gave NaN or infinity, and count as wrong`);
      return { json: { model, against, data: dataset.name, record, nonFinite } };
    } finally {
      await Promise.all([session.dispose(), reference?.dispose()]);
    }
  },
};
