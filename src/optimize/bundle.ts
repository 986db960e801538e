import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { z } from 'zod';
import { fail, messageOf } from '../base/index.ts';
import { assertPlace, saveModel, writeFileAtomically, writeFolderAtomically } from '../files/index.ts';
import type { Model } from '../graph/index.ts';

/** The version of the form of bundle.json that this code writes; docs/bundle.md describes it. */
export const BUNDLE_VERSION = 1;

/** A path inside of the bundle: relative, never climbing. */
const inside = z
  .string()
  .refine((path) => !isAbsolute(path) && !path.split(/[\\/]/).includes('..'), 'leaves the bundle');

const settings = z.object({
  batch: z.int().positive(),
  threads: z.int().positive(),
  instances: z.int().positive(),
  level: z.enum(['disabled', 'basic', 'extended', 'layout', 'all']),
  provider: z.string(),
});

const port = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z.array(z.union([z.number(), z.string(), z.null()])).nullable(),
});

/** bundle.json. Unknown fields are kept out, so that a newer minor form still reads. */
export const bundleSchema = z.object({
  format: z.literal('modicum-bundle'),
  version: z.literal(BUNDLE_VERSION),
  modicum: z.string(),
  created: z.string(),
  name: z.string(),
  /** The model that is served. */
  chosen: z.string(),
  /** Every model of the bundle by id. */
  models: z.record(
    z.string(),
    z.object({
      file: inside,
      sha256: z.string(),
      bytes: z.number(),
      recipe: z.array(
        z.object({
          pass: z.string(),
          options: z.record(z.string(), z.unknown()).optional(),
          words: z.string(),
        }),
      ),
    }),
  ),
  inputs: z.array(port),
  outputs: z.array(port),
  /** For throughput: the settings that the objective was met with. */
  settings,
  /** For a single call. */
  latencySettings: settings,
  goal: z.record(z.string(), z.unknown()),
  met: z.boolean(),
  records: inside,
  story: inside,
  report: inside,
});

export type Bundle = z.infer<typeof bundleSchema>;

/** What `writeBundle` adds by itself. */
type Given = Omit<Bundle, 'format' | 'version' | 'created' | 'models' | 'records' | 'story' | 'report'>;

export interface BundleParts {
  readonly about: Given;
  readonly models: readonly { id: string; model: Model; recipe: Bundle['models'][string]['recipe'] }[];
  readonly records: unknown;
  readonly story: unknown;
  /** HTML. */
  readonly report: string;
}

/**
 * Throws FILE_NOT_WRITTEN where a bundle must not or cannot stand: a bundle replaces the whole folder, so only an empty
 * one, an older bundle or a new path is taken.
 */
export async function assertBundlePlace(folder: string): Promise<void> {
  const taken = (why: string) =>
    fail('FILE_NOT_WRITTEN', `${folder} ${why}`, {
      folder,
      hint: 'Give --out a new folder, an empty one, or an older bundle, which is replaced.',
    });
  if (holdsHere(folder)) throw taken('holds the folder you are in, and a bundle replaces its folder');
  await assertPlace(folder);
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory()) throw taken('is a file');
  const names = await readdir(folder);
  if (names.length > 0 && !(await isBundle(folder))) {
    throw taken(`holds other files (${names[0]}, for one), and a bundle replaces its folder`);
  }
}

function holdsHere(folder: string): boolean {
  const here = process.cwd();
  const path = resolve(folder);
  return here === path || here.startsWith(path.endsWith(sep) ? path : path + sep);
}

async function isBundle(folder: string): Promise<boolean> {
  try {
    return JSON.parse(await readFile(join(folder, 'bundle.json'), 'utf8')).format === 'modicum-bundle';
  } catch {
    return false;
  }
}

/** Writes the folder of a bundle, whole or not at all. Throws FILE_NOT_WRITTEN. */
export async function writeBundle(folder: string, parts: BundleParts): Promise<Bundle> {
  await assertBundlePlace(folder);
  const models: Bundle['models'] = {};
  let bundle: Bundle | undefined;
  await writeFolderAtomically(folder, async (staging) => {
    await mkdir(join(staging, 'models'), { recursive: true });
    for (const { id, model, recipe } of parts.models) {
      const file = `models/${id}.onnx`;
      await saveModel(model, join(staging, file));
      models[id] = { file, ...(await digest(join(staging, file))), recipe };
    }
    bundle = {
      format: 'modicum-bundle',
      version: BUNDLE_VERSION,
      created: new Date().toISOString(),
      ...parts.about,
      models,
      records: 'records.json',
      story: 'story.json',
      report: 'report.html',
    };
    await writeFileAtomically(join(staging, bundle.records), json(parts.records));
    await writeFileAtomically(join(staging, bundle.story), json(parts.story));
    await writeFileAtomically(join(staging, bundle.report), parts.report);
    await writeFileAtomically(join(staging, 'bundle.json'), json(bundle));
  });
  return bundle!;
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

async function digest(file: string): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return { sha256: hash.digest('hex'), bytes: (await stat(file)).size };
}

/** Reads bundle.json of a folder and checks that its models are there, whole. Throws BUNDLE_INVALID. */
export async function readBundle(folder: string): Promise<Bundle> {
  const file = join(folder, 'bundle.json');
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw fail('BUNDLE_INVALID', `${file}: ${messageOf(cause)}`, { folder }, cause);
  }
  const parsed = bundleSchema.safeParse(raw);
  if (!parsed.success) {
    const first = parsed.error.issues[0];
    throw fail(
      'BUNDLE_INVALID',
      `${file}: ${first?.path.join('.')}: ${first?.message}`,
      { folder },
      parsed.error,
    );
  }
  const bundle = parsed.data;
  if (bundle.models[bundle.chosen] === undefined) {
    throw fail('BUNDLE_INVALID', `${file}: the chosen model "${bundle.chosen}" is not among its models`, {
      folder,
    });
  }
  for (const [id, model] of Object.entries(bundle.models)) {
    const found = await digest(join(folder, model.file)).catch((cause) => {
      throw fail('BUNDLE_INVALID', `model "${id}": ${messageOf(cause)}`, { folder }, cause);
    });
    if (found.sha256 !== model.sha256) {
      throw fail('BUNDLE_INVALID', `model "${id}" is not the file that was written (sha256 differs)`, {
        folder,
      });
    }
  }
  return bundle;
}
