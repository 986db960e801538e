import assert from 'node:assert/strict';
import { SILENT } from '../../src/base/index.ts';
import {
  type CompiledPort,
  compileModel,
  freezeShapes,
  openCompiled,
  type Target,
} from '../../src/edge/index.ts';
import { isValid } from '../../src/edge/runtime/engine.ts';
import { type Model, sizeOf, type Tensor } from '../../src/graph/index.ts';
import type { Feeds, Fetches } from '../../src/run/index.ts';
import { cleanUp } from '../../src/transform/index.ts';

/** The model as the compiler takes it: shapes as those of the feeds, cleaned up. */
export async function prepared(model: Model, feeds: Feeds): Promise<Model> {
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.dims]));
  const context = { progress: SILENT, seed: 0 };
  const { graph } = model;
  // Weights that are inputs too keep their defaults.
  const fed = {
    ...model,
    graph: { ...graph, inputs: graph.inputs.filter(({ name }) => feeds[name] !== undefined) },
  };
  return (await cleanUp.apply(freezeShapes(fed, { shapes }), { opset: 13 }, context)).model;
}

/** What the compiled model answers; the module is held to the rules of WebAssembly on the way. */
export async function compiledAnswers(model: Model, feeds: Feeds, target: Target = 'simd'): Promise<Fetches> {
  const { wasm } = compileModel(model, { target });
  assert.ok(isValid(wasm), 'the module is not valid');
  const session = await openCompiled(wasm);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/**
 * The largest difference over the largest number wanted, or over `least`: where large numbers cancel, the size of what is left says
 * nothing of how exact it can be.
 */
export function relativeError(found: Tensor, wanted: Tensor, least = 1e-6): number {
  assert.deepEqual([found.dtype, ...found.dims], [wanted.dtype, ...wanted.dims]);
  const [a, b] = [found.numbers(), wanted.numbers()];
  let [error, top] = [0, 0];
  for (const [i, value] of b.entries()) {
    if (Number.isNaN(value) && Number.isNaN(a[i]!)) continue;
    if (value === a[i]) continue;
    error = Math.max(error, Number.isNaN(a[i]!) ? Number.POSITIVE_INFINITY : Math.abs(value - a[i]!));
    if (Number.isFinite(value)) top = Math.max(top, Math.abs(value));
  }
  return error === 0 ? 0 : error / Math.max(top, least);
}

/** Fails where an output lies farther from the wanted one than `bound`, relative to its largest number. */
export function assertClose(
  found: Fetches,
  wanted: Fetches,
  bound: number,
  story: string,
  least?: number,
): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(wanted).sort(), story);
  for (const [name, want] of Object.entries(wanted)) {
    const error = relativeError(found[name]!, want, least);
    assert.ok(error <= bound, `${name} [${want.dims}] of ${sizeOf(want.dims)} is off by ${error} (${story})`);
  }
}

/** The outputs of a compiled model: names, shapes and bytes. */
export function compiledPorts(model: Model): readonly CompiledPort[] {
  return compileModel(model, { target: 'scalar' }).outputs;
}
