import { ModicumError, SILENT } from '../src/base/index.ts';
import { bind, type Dataset } from '../src/data/index.ts';
import { loadModel } from '../src/files/index.ts';
import { encodeModel, type Model } from '../src/graph/index.ts';
import { openSession } from '../src/run/index.ts';
import { findSlowNodes, type PassContext, type RecipePassName, recipePass } from '../src/transform/index.ts';
import type { PythonQuantizer } from './python-quantizer.ts';
import { DEFAULTS, SEED } from './race.ts';
import type { SharedCase } from './shared-models.ts';

const METHODS = ['minmax', 'percentile', 'entropy', 'mse'] as const;

/** A model that takes part, or why there is none. */
export interface Variant {
  readonly side: 'plain' | 'ours' | 'python';
  readonly title: string;
  readonly model?: Model | string;
  readonly bytes?: number;
  /** What had to be done to the model first; printed below the table. */
  readonly note?: string;
  /** Why there is no model. */
  readonly error?: string;
  /** Ranges are taken per call: accuracy is measured as it is used, one sample a call. */
  readonly dynamic: boolean;
}

/** The first line of an error. */
export const say = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!;

/** Ours: the cleaned model, and every quantization of it. */
export async function ourVariants(shared: SharedCase, calibration: Dataset): Promise<Variant[]> {
  const context: PassContext = { progress: SILENT, seed: SEED, calibration };
  const apply = (model: Model, name: RecipePassName, options: object = {}) => {
    const pass = recipePass(name);
    return pass.apply(model, { ...pass.defaults, ...options }, context);
  };
  const clean = await cleaned(shared.model);
  const variants: Variant[] = [];
  const add = async (title: string, dynamic: boolean, make: () => Promise<Model>) => {
    try {
      const model = await make();
      variants.push({ side: 'ours', title, model, bytes: encodeModel(model).byteLength, dynamic });
    } catch (error) {
      variants.push({ side: 'ours', title, error: say(error), dynamic });
    }
  };
  await add('float, cleaned', false, () => Promise.resolve(clean));
  let slow: readonly string[] = [];
  for (const method of METHODS) {
    await add(`static ${method}`, false, async () => {
      const { model } = await apply(clean, 'quantize-static', { method });
      if (method === METHODS[0]) slow = await slowNodes(clean, model, calibration);
      return model;
    });
  }
  for (const method of slow.length > 0 ? METHODS : []) {
    const title = `static ${method}, slow layers float`;
    try {
      const { model } = await apply(clean, 'quantize-static', { method, exclude: slow });
      await add(title, false, () => Promise.resolve(model));
    } catch (error) {
      if (!(error instanceof ModicumError && error.code === 'NOTHING_TO_QUANTIZE')) throw error;
      // That variant stands above already: it is the one in float.
      const why = 'every layer is slower on integers here';
      variants.push({ side: 'ours', title: 'static, slow layers float', error: why, dynamic: false });
      break;
    }
  }
  await add('dynamic', true, async () => (await apply(clean, 'quantize-dynamic')).model);
  return variants;
}

/** Cleaned, and the batch freed where that is sound: what ours begin with. */
async function cleaned(path: string): Promise<Model> {
  let model = await loadModel(path);
  for (const name of ['clean', 'free-batch'] as const) {
    const pass = recipePass(name);
    ({ model } = await pass.apply(model, pass.defaults, { progress: SILENT, seed: SEED }));
  }
  return model;
}

async function slowNodes(float: Model, quantized: Model, data: Dataset): Promise<readonly string[]> {
  const session = await openSession(float, { threads: 1 });
  const { inputs } = session;
  await session.dispose();
  for await (const { feeds } of bind(data, inputs, { batch: 1 })) {
    const found = await findSlowNodes(float, quantized, feeds, { settings: DEFAULTS });
    return found.exclude;
  }
  return [];
}

/** Theirs, on the same samples. */
export async function pythonVariants(
  python: PythonQuantizer,
  shared: SharedCase,
  calibration: Dataset,
): Promise<Variant[]> {
  try {
    const { versions, variants } = await python.quantize(
      shared.name,
      shared.model,
      await cleaned(shared.model),
      calibration,
    );
    console.log(`\nPython: ${versions}.`);
    return variants.map(({ how, source, note, path, bytes, error }) => ({
      side: 'python',
      title: how === source ? how : `${how}, ${source}`,
      note: note === '' ? undefined : `${source}: ${note}`,
      model: path,
      bytes,
      error,
      dynamic: how.includes('dynamic'),
    }));
  } catch (error) {
    return [{ side: 'python', title: 'the quantizer', error: say(error), dynamic: false }];
  }
}
