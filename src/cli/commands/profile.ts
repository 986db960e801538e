import pc from 'picocolors';
import { fail } from '../../base/index.ts';
import { gridOf, type Measurement, type ProfileReport, priceOf, profileModel } from '../../measure/index.ts';
import { digits, quantity, textTable } from '../../report/index.ts';
import type { Command } from '../command.ts';
import { loadConfig } from '../config.ts';
import { isLanguageModel } from '../language-model.ts';
import { bindingsOf, dataOf, numberOf, numbersOf, secondsOf, wholeOf, withData } from '../options.ts';
import { profileTokens } from '../profile-tokens.ts';

/** Layers shown before the rest is summed up. */
const MOST_LAYERS = 15;

export const profileCommand: Command = {
  name: 'profile',
  summary: 'what a model costs here: work, time by layer, latency and throughput, memory, energy, dollars',
  configure(command) {
    command.argument('<model>', 'an .onnx file');
    withData(command, false)
      .option(
        '--batch <list>',
        'batch sizes, such as 1,8,32 (default: these, or the one the model has fixed)',
      )
      .option('--threads <list>', 'intra-op threads, such as 1,2 (default: one, and all cores)')
      .option('--seconds <time>', 'time for each point of the curve', '1s')
      .option('--price <usd|machine>', 'dollars per machine-hour, or a machine of the price list')
      .option('--region <code>', 'region of the grid, for CO2 (default: the world)')
      .option('--watts-per-core <w>', 'what one busy core draws, where you know it')
      .option('--dim <name=size...>', 'sizes of named dimensions, for random inputs')
      .option('--no-limits', "does not measure the machine's own limits")
      .option('--seed <n>', 'of random inputs', '1')
      .option('--prompt-tokens <list>', 'of a language model: lengths of prompts (default: 32,128)')
      .option('--new-tokens <n>', 'of a language model: tokens made after each prompt (default: 64)')
      .addHelpText(
        'after',
        '\nExamples:\n  modicum profile model.onnx\n  modicum profile model.onnx --data test.npz --batch 1,8,32 --threads 1,2\n  modicum profile llm/model.onnx --prompt-tokens 32,128 --new-tokens 64',
      );
  },
  async run([model = ''], options, { print, progress, signal }) {
    const config = await loadConfig();
    const price = options.price ?? config.price;
    const region = (options.region as string | undefined) ?? config.region;
    // Said before the long work.
    gridOf(region);
    if (typeof price === 'string' && !Number.isFinite(Number(price))) priceOf(price);
    if (await isLanguageModel(model)) return profileTokens(model, options, { print, progress, signal });
    for (const name of ['promptTokens', 'newTokens']) {
      if (options[name] !== undefined) {
        throw fail(
          'NOT_GENERATIVE',
          'tokens are asked for, and it has no input_ids, past_key_values and logits',
        );
      }
    }
    const report = await profileModel(model, {
      data: await dataOf(options, config),
      batches: options.batch === undefined ? undefined : numbersOf('batch', options.batch),
      threads: options.threads === undefined ? undefined : numbersOf('threads', options.threads),
      seconds: secondsOf('seconds', options.seconds),
      price:
        typeof price === 'string' && Number.isFinite(Number(price))
          ? Number(price)
          : (price as string | undefined),
      region,
      wattsPerCore:
        options.wattsPerCore === undefined
          ? config.wattsPerCore
          : numberOf('watts-per-core', options.wattsPerCore, 0.01, 1000),
      bindings: bindingsOf(options.dim as string[] | undefined),
      limits: options.limits === false ? false : {},
      seed: wholeOf('seed', options.seed, 0, 2 ** 31 - 1),
      progress,
      signal,
    });
    print(renderProfile(model, report));
    return { json: report };
  },
};

function renderProfile(model: string, report: ProfileReport): string {
  const { machine, point } = report;
  const parts = [
    `${pc.bold(model)} on ${report.inputs}; ${machine.cpu}, ${machine.availableCores} cores`,
    textTable(
      ['batch', 'threads', 'p50', 'p99', 'samples/s', 'CPU per sample'],
      report.curve.map(({ batch, threads, records }) => [
        String(batch),
        String(threads),
        show(records, 'latency.p50'),
        show(records, 'latency.p99'),
        show(records, 'throughput'),
        show(records, 'cpu.per-sample'),
      ]),
    ),
    textTable(
      [`at batch ${point.batch}, ${point.threads} threads`, 'value', 'interval', 'how'],
      report.records.map((record) => [
        label(record),
        quantity(record.value, record.unit),
        range(record),
        record.how,
      ]),
    ),
    layers(report),
    ...report.notes.map((note) => pc.dim(`note: ${note}`)),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function show(records: readonly Measurement[], what: string): string {
  const found = records.find((record) => record.what === what);
  return found === undefined ? '–' : quantity(found.value, found.unit);
}

function label({ what, settings }: Measurement): string {
  return settings?.utilisation === undefined
    ? what
    : `${what} (${Number(settings.utilisation) * 100} % busy)`;
}

function range({ interval, unit }: Measurement): string {
  return interval === undefined ? '' : `${quantity(interval.low, unit)} to ${quantity(interval.high, unit)}`;
}

function layers({ layers: all }: ProfileReport): string {
  const sorted = [...all].sort((a, b) => b.microseconds - a.microseconds);
  const rows = sorted
    .slice(0, MOST_LAYERS)
    .map((layer) => [
      layer.name,
      layer.op,
      `${digits(layer.microseconds)} µs`,
      `${(layer.share * 100).toFixed(1)} %`,
      layer.macs === undefined ? '–' : digits(layer.macs),
    ]);
  const rest = sorted.slice(MOST_LAYERS);
  if (rest.length > 0) {
    const sum = rest.reduce((all, { microseconds }) => all + microseconds, 0);
    const share = rest.reduce((all, layer) => all + layer.share, 0);
    rows.push([`${rest.length} others`, '', `${digits(sum)} µs`, `${(share * 100).toFixed(1)} %`, '']);
  }
  return rows.length === 0
    ? ''
    : textTable(['layer', 'operator', 'time', 'share', 'MACs'], rows, [
        'left',
        'left',
        'right',
        'right',
        'right',
      ]);
}
