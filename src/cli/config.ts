import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { fail, messageOf } from '../base/index.ts';

const NAMES = [
  'modicum.config.ts',
  'modicum.config.mts',
  'modicum.config.js',
  'modicum.config.mjs',
  'modicum.config.json',
];

const schema = z.strictObject({
  /** Datasets by name, for `--data NAME`; paths are relative to the config file. */
  datasets: z
    .record(
      z.string(),
      z.strictObject({ path: z.string(), options: z.record(z.string(), z.unknown()).optional() }),
    )
    .optional(),
  /** What options of optimize default to. */
  goal: z
    .strictObject({
      metric: z.string().optional(),
      maxDrop: z.number().nonnegative().optional(),
      p99: z.number().positive().optional(),
      minimize: z.enum(['latency', 'cost', 'energy', 'size']).optional(),
      confidence: z.number().min(0.5).max(0.9999).optional(),
    })
    .optional(),
  /** Dollars per machine-hour, or the name of a machine in the price list. */
  price: z.union([z.number().positive(), z.string()]).optional(),
  /** Region of the grid, for CO2. */
  region: z.string().optional(),
  /** Watts that one busy core draws, where you know it. */
  wattsPerCore: z.number().positive().optional(),
});

/** What a project repeats. */
export type Config = z.infer<typeof schema>;

/** Types a modicum.config.ts: `export default defineConfig({ ... })`. */
export function defineConfig(config: Config): Config {
  return config;
}

export interface LoadedConfig extends Config {
  /** The folder that relative paths start from. */
  readonly folder: string;
}

/** Reads the config file of a folder; an empty one where there is none. Throws USAGE_BAD_OPTION. */
export async function loadConfig(folder = process.cwd()): Promise<LoadedConfig> {
  const file = NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) return { folder };
  let value: unknown;
  try {
    if (file.endsWith('.json')) value = JSON.parse(await readFile(file, 'utf8'));
    else {
      const { createJiti } = await import('jiti');
      value = await createJiti(import.meta.url).import(pathToFileURL(resolve(file)).href, { default: true });
    }
  } catch (cause) {
    throw fail(
      'USAGE_BAD_OPTION',
      `${file}: ${messageOf(cause)}`,
      { file, hint: 'Mend the config file.' },
      cause,
    );
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const why = `${file}: ${issue?.path.join('.') || 'the default export'}: ${issue?.message}`;
    throw fail(
      'USAGE_BAD_OPTION',
      why,
      { file, hint: 'See docs/config.md for what a config holds.' },
      parsed.error,
    );
  }
  return { ...parsed.data, folder: dirname(resolve(file)) };
}

/** A dataset of the config by its name, or the path itself. */
export function datasetPath(
  config: LoadedConfig,
  given: string,
): { path: string; options?: Record<string, unknown> } {
  const named = config.datasets?.[given];
  if (named === undefined) return { path: given };
  return {
    path: isAbsolute(named.path) ? named.path : join(config.folder, named.path),
    options: named.options,
  };
}
