import type { Command as Commander } from 'commander';
import { fail, messageOf } from '../base/index.ts';
import { type DataOptions, type Dataset, openDataset } from '../data/index.ts';
import { datasetPath, type LoadedConfig } from './config.ts';

/** Adds what every command with data takes. */
export function withData(command: Commander, required: boolean): Commander {
  const flag = '--data <path>';
  const text =
    'samples: .npz, .npy, .csv, .jsonl, .parquet, IDX, a folder of images or WAV, a module, or a name of the config';
  if (required) command.requiredOption(flag, text);
  else command.option(flag, text);
  return command.option(
    '--data-options <json>',
    'how to read it (docs/data.md), where no dataset.json lies beside it',
  );
}

/** Opens what --data names. */
export async function dataOf(
  options: Readonly<Record<string, unknown>>,
  config: LoadedConfig,
): Promise<Dataset | undefined> {
  if (typeof options.data !== 'string') return undefined;
  const { path, options: declared } = datasetPath(config, options.data);
  let given: unknown = declared;
  if (typeof options.dataOptions === 'string') {
    try {
      given = { ...declared, ...JSON.parse(options.dataOptions) };
    } catch (cause) {
      throw fail('USAGE_BAD_OPTION', `--data-options is no JSON: ${messageOf(cause)}`, {}, cause);
    }
  }
  return openDataset(path, given as DataOptions | undefined);
}

/** A number within bounds. Throws USAGE_BAD_OPTION, naming the option. */
export function numberOf(
  name: string,
  text: unknown,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): number {
  const value = typeof text === 'number' ? text : Number(String(text).trim() || Number.NaN);
  if (!Number.isFinite(value) || value < least || value > most) {
    throw fail('USAGE_BAD_OPTION', `--${name} is "${text}"; it takes a number${rangeInWords(least, most)}`);
  }
  return value;
}

function rangeInWords(least: number, most: number): string {
  if (Number.isFinite(least))
    return Number.isFinite(most) ? ` from ${least} to ${most}` : `, ${least} or more`;
  return Number.isFinite(most) ? `, ${most} or less` : '';
}

/** Whole numbers separated by commas. */
export function numbersOf(name: string, text: unknown): number[] {
  return String(text)
    .split(',')
    .map((part) => wholeOf(name, part, 1, 65536));
}

/** A whole number within bounds. Throws USAGE_BAD_OPTION, naming the option. */
export function wholeOf(name: string, text: unknown, least: number, most: number): number {
  const value = numberOf(name, text, least, most);
  if (Number.isInteger(value)) return value;
  throw fail('USAGE_BAD_OPTION', `--${name} is "${text}"; it takes a whole number`);
}

/** '60', '60s', '2m': seconds. */
export function secondsOf(name: string, text: unknown): number {
  const found = /^([0-9.]+)\s*(ms|s|m|h)?$/.exec(String(text).trim());
  const value = Number(found?.[1]) * { ms: 1e-3, s: 1, m: 60, h: 3600 }[found?.[2] ?? 's']!;
  if (!Number.isFinite(value) || value <= 0) {
    throw fail('USAGE_BAD_OPTION', `--${name} is "${text}"; it takes a time such as 60s or 2m`);
  }
  return value;
}

/** NAME=SIZE of --dim. Throws USAGE_BAD_OPTION. */
export function bindingsOf(dims: readonly string[] | undefined): Record<string, number> {
  return Object.fromEntries(
    (dims ?? []).map((dim) => {
      const found = /^(.+)=(\d+)$/.exec(dim);
      if (found === null) throw fail('USAGE_BAD_OPTION', `--dim is "${dim}"; write NAME=SIZE, as in N=8`);
      return [found[1]!, wholeOf('dim', found[2], 1, 1e9)];
    }),
  );
}
