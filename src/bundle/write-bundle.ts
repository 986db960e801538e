import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fail } from '../base/index.ts';
import { assertPlace, saveModel, writeFileAtomically, writeFolderAtomically } from '../files/index.ts';
import type { Model } from '../graph/index.ts';
import type { Port } from '../run/index.ts';
import type { StagedModel } from '../staged/index.ts';
import { BUNDLE_VERSION, type Bundle } from './bundle.ts';
import { digest } from './digest.ts';

/** What `writeBundle` adds by itself. */
type Given = Omit<
  Bundle,
  'format' | 'version' | 'created' | 'models' | 'stages' | 'records' | 'story' | 'report'
>;

export interface BundleParts {
  readonly about: Given;
  readonly models: readonly { id: string; model: Model; recipe: Bundle['models'][string]['recipe'] }[];
  /**
   * A model in pieces: files of their own, `models/<id>.onnx` under the ids of the stages, which must differ from those of `models`.
   */
  readonly staged?: StagedModel;
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
    const pieces = (parts.staged?.stages ?? []).map(({ id, model }) => ({ id, model, recipe: [] }));
    for (const { id, model, recipe } of [...parts.models, ...pieces]) {
      if (models[id] !== undefined) throw fail('INTERNAL', `two models of a bundle are called ${id}`);
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
      ...(parts.staged !== undefined && { stages: stagesOf(parts.staged) }),
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

/** Stages as bundle.json holds them. Infinity is no number there; below 0 all thresholds are alike, as no confidence is. */
function stagesOf({ stages }: StagedModel): Bundle['stages'] {
  return stages.map(({ id, answers, carried, exit, macs }) => ({
    id,
    model: id,
    answers,
    carried: [...carried],
    ...(exit !== undefined && {
      exit: {
        ...exit,
        threshold: exit.threshold === Number.POSITIVE_INFINITY ? null : Math.max(0, exit.threshold),
      },
    }),
    macs,
  }));
}

/** Ports as bundle.json holds them: a shape of unknown rank is null. */
export function portsOf(ports: readonly Port[]): Bundle['inputs'] {
  return ports.map(({ name, dtype, shape }) => ({
    name,
    dtype,
    shape: shape === undefined ? null : [...shape],
  }));
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
