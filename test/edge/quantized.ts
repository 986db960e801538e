import { SILENT } from '../../src/base/index.ts';
import { type Dataset, inMemory } from '../../src/data/index.ts';
import { freezeShapes } from '../../src/edge/index.ts';
import { type Model, Tensor } from '../../src/graph/index.ts';
import { cleanUp, RECIPE_PASSES } from '../../src/transform/index.ts';

/** The model cleaned up, its shapes settled. */
export async function cleaned(model: Model): Promise<Model> {
  return freezeShapes(await clean(model));
}

async function clean(model: Model): Promise<Model> {
  return (await cleanUp.apply(model, { opset: 13 }, { progress: SILENT, seed: 0 })).model;
}

/** The same in int8, calibrated on the data. */
export async function quantized(model: Model, calibration: Dataset): Promise<Model> {
  const pass = RECIPE_PASSES['quantize-static'];
  const { model: made } = await pass.apply(await clean(model), pass.defaults, {
    ...{ progress: SILENT, seed: 0, calibration },
  });
  return freezeShapes(made);
}

/** Examples for calibration from feeds. */
export function datasetOf(feeds: readonly Readonly<Record<string, Tensor>>[]): Dataset {
  const names = Object.keys(feeds[0]!);
  return inMemory(
    Object.fromEntries(
      names.map((name) => {
        const parts = feeds.map((feed) => feed[name]!);
        const [, ...rest] = parts[0]!.dims;
        const rows = parts.reduce((sum, { dims }) => sum + dims[0]!, 0);
        const all = Buffer.concat(parts.map((part) => part.bytes()));
        return [name, Tensor.ofBytes(parts[0]!.dtype, [rows, ...rest], Uint8Array.from(all))];
      }),
    ),
  );
}
