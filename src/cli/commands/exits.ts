import { basename } from 'node:path';
import { fail } from '../../base/index.ts';
import { assertBundlePlace } from '../../bundle/index.ts';
import { type CascadeModel, cascadeOf, exits } from '../../exits/index.ts';
import { loadModel } from '../../files/index.ts';
import { CONFIDENCE_KINDS, type ConfidenceKind } from '../../staged/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { finished, writeExits } from '../exits-bundle.ts';
import { streamed, streamOptions } from '../exits-stream.ts';
import { exitsText } from '../exits-text.ts';
import { isLanguageModel } from '../language-model.ts';
import { dataOf, numberOf, wholeOf, withData } from '../options.ts';
import { exitsOfTokens } from '../token-exits.ts';

/** Shares of the samples are what is promised of; these metrics are that. */
const METRICS = ['top1', 'accuracy', 'agreement'];

export const exitsCommand: Command = {
  name: 'exits',
  summary: 'early exits: easy samples leave a classifier early, with a certified bound on what is lost',
  configure(command) {
    command.argument(
      '<model>',
      'an .onnx file: a classifier, an encoder, or a language model (docs/tokens.md)',
    );
    withData(command, true)
      .option('--train-data <path>', 'samples that heads learn from (default: a part of --data)')
      .option(
        '--metric <name>',
        'top1 or accuracy (by the labels), or agreement (with the whole model, no labels needed)',
        'top1',
      )
      .option('--max-drop <points>', 'most that the accuracy may fall, in points', '0.5')
      .option('--confidence <share>', 'chance with which that holds for samples nobody has seen', '0.95')
      .option('--strict', 'counts lost answers alone, and not those gained against them')
      .option('--exits <n>', 'exits at most', '2')
      .option('--by <what>', 'what is made least: macs, or time (measured here)', 'macs')
      .option('--batch <n>', 'samples a call for which time is measured', '8')
      .option(
        '--at <values...>',
        'values or nodes (of a language model: layers) to exit behind, in place of a choice',
      )
      .option('--output <name>', 'the output whose scores decide (default: the one with classes)')
      .option('--measure <name>', `how sure an exit is: ${CONFIDENCE_KINDS.join(', ')}`, 'max-probability')
      .option('--hidden <n>', 'units of an inner layer of each head (default: what 4 % of the work allows)')
      .option('--epochs <n>', 'times that the heads see every sample', '15')
      .option(
        '--against <what>',
        'what the accuracy may fall from: given (the model as it is), or end (in the form that ships, nobody leaving)',
        'given',
      )
      .option('--joint', 'trains the model together with its heads')
      .option('--int8', 'quantizes to 8 bits before anything is certified')
      .option('--keep-first <n>', 'with --int8: leaves the first so many heavy layers in float')
      .option('--seed <n>', 'of the division of the data and of training', '0')
      .option('--threads <n>', 'threads (default: all cores)')
      .option(
        '--first <models...>',
        'cheaper models of the same task that answer first, cheapest first: a cascade, nothing is trained',
      )
      .option(
        '--stream <axis>',
        'decides streams early instead: the input is heard bit by bit along this axis (samples are axis 0)',
      )
      .option('--hop <frames>', 'of --stream: frames in one step')
      .option('--fill <x>', 'of --stream: what stands for what is not heard yet', '0')
      .option('--sliding', 'of --stream: the latest frame stands last (default: the beginning stays first)')
      .option('--no-speed', 'leaves out the race against the whole model')
      .option('--out <dir>', 'the folder to write a bundle to')
      .addHelpText(
        'after',
        `
Examples:
  modicum exits model.onnx --data test.npz --train-data train.npz --max-drop 0.5 --out bundle
  modicum exits model.onnx --data samples.npz --exits 3 --int8 --out bundle
  modicum exits big.onnx --first small.onnx --data samples.npz --max-drop 0.5 --out bundle
  modicum exits keywords.onnx --stream 2 --hop 5 --data clips.npz --max-drop 1
  modicum exits encoder.onnx --data unlabelled.npz --metric agreement --max-drop 1
  modicum exits llm/model.onnx --data texts.txt --at 2 4 --max-drop 5 --out llm-exits`,
      );
  },
  async run([path = ''], options, { print, progress, signal }) {
    if (await isLanguageModel(path)) {
      return exitsOfTokens(path, options, await loadConfig(), { print, progress, signal });
    }
    const metric = String(options.metric);
    if (!METRICS.includes(metric)) {
      throw fail(
        'USAGE_BAD_OPTION',
        `--metric is "${metric}"; what can be certified is ${METRICS.join(', ')}`,
      );
    }
    const measure = String(options.measure) as ConfidenceKind;
    if (!CONFIDENCE_KINDS.includes(measure)) {
      throw fail('USAGE_BAD_OPTION', `--measure is "${measure}"; there are ${CONFIDENCE_KINDS.join(', ')}`);
    }
    const by = String(options.by);
    if (by !== 'macs' && by !== 'time') {
      throw fail('USAGE_BAD_OPTION', `--by is "${by}"; it takes macs or time`);
    }
    const against = String(options.against);
    if (against !== 'given' && against !== 'end') {
      throw fail('USAGE_BAD_OPTION', `--against is "${against}"; it takes given or end`);
    }
    const out = options.out as string | undefined;
    if (out !== undefined) await assertBundlePlace(out);
    const config = await loadConfig();
    const data = (await dataOf(options, config))!;
    if (metric !== 'agreement' && data.labels === undefined) {
      throw fail('DATA_NO_LABELS', `${data.name} has none, and ${metric} goes by them`, {
        hint: 'Give data with labels, or --metric agreement: as the whole model answers.',
      });
    }
    const whole = (name: string, given: unknown, least: number) =>
      given === undefined ? undefined : wholeOf(name, given, least, 1e6);
    const threads = whole('threads', options.threads, 1);
    const trainingData = await dataOf({ ...options, data: options.trainData }, config);
    const blind = metric === 'agreement';
    const common = {
      data: blind ? withoutLabels(data) : data,
      maxDrop: numberOf('max-drop', options.maxDrop, 0, 100),
      confidence: numberOf('confidence', options.confidence, 0.5, 0.9999),
      counts: options.strict === true ? ('lost' as const) : ('net' as const),
      output: options.output as string | undefined,
      measure,
      seed: whole('seed', options.seed, 0),
      ...(threads !== undefined && { settings: { threads } }),
      progress,
      signal,
    };
    if (options.stream !== undefined) {
      const { text, result } = await streamed(await loadModel(path), {
        ...common,
        ...streamOptions(options),
      });
      print(text);
      return { json: result.report, exit: result.report.certificate.outcome === 'certified' ? 0 : 1 };
    }
    const first = options.first as string[] | undefined;
    const made =
      first === undefined
        ? await exits(await loadModel(path), {
            ...common,
            trainingData: blind && trainingData !== undefined ? withoutLabels(trainingData) : trainingData,
            exits: whole('exits', options.exits, 1),
            by,
            against,
            batch: whole('batch', options.batch, 1),
            places: options.at as string[] | undefined,
            hidden: whole('hidden', options.hidden, 0),
            joint: options.joint === true,
            int8: options.int8 === true && { keepFirst: whole('keep-first', options.keepFirst, 0) ?? 0 },
            training: { epochs: whole('epochs', options.epochs, 1) },
          })
        : await cascadeOf(await named([...first, path]), common);
    const shipped = await finished(made, options.speed !== false, common);
    const { report, measured } = shipped;
    print(exitsText(report, measured));
    if (out !== undefined) {
      await writeExits(out, path, shipped);
      print(`\n wrote ${out}`);
    }
    const json = measured === undefined ? report : { ...report, measured };
    return { json, exit: report.certificate.outcome === 'certified' ? 0 : 1 };
  },
};

function withoutLabels<T extends { readonly labels?: unknown }>(data: T): T {
  return { ...data, labels: undefined };
}

/** Models under the names of their files. */
async function named(paths: readonly string[]): Promise<CascadeModel[]> {
  const models: CascadeModel[] = [];
  for (const path of paths) {
    const stem = basename(path).replace(/\.onnx$/, '');
    const twice = models.filter(({ id }) => id === stem || id.startsWith(`${stem}-`)).length;
    models.push({ id: twice === 0 ? stem : `${stem}-${twice + 1}`, model: await loadModel(path) });
  }
  return models;
}
