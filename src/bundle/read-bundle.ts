import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, messageOf } from '../base/index.ts';
import { type Bundle, bundleSchema } from './bundle.ts';
import { digest } from './digest.ts';

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
  const why = troubleOf(bundle);
  if (why !== undefined) throw fail('BUNDLE_INVALID', `${file}: ${why}`, { folder });
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

/** What is wrong with the stages, as far as bundle.json says; what their models lack is seen when they are opened. */
function troubleOf({ stages = [], models, outputs }: Bundle): string | undefined {
  const ids = stages.map(({ id }) => id);
  if (new Set(ids).size < ids.length) return 'two stages bear the same id';
  for (const [i, { id, model, exit, answers }] of stages.entries()) {
    if (models[model] === undefined) return `the model "${model}" of stage "${id}" is not among its models`;
    const last = i === stages.length - 1;
    if (last && exit !== undefined) return `the last stage, "${id}", has an exit`;
    const missing = outputs.find(({ name }) => answers[name] === undefined);
    if ((last || exit !== undefined) && missing !== undefined) {
      return `stage "${id}" does not answer output "${missing.name}"`;
    }
  }
  return undefined;
}
