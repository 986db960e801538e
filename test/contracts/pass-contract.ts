import assert from 'node:assert/strict';
import { SILENT } from '../../src/base/index.ts';
import { assertValid, encodeModel, type Model, type Tensor } from '../../src/graph/index.ts';
import { type Fetches, openSession } from '../../src/run/index.ts';
import type { DeclaredError, PassContext, Step } from '../../src/transform/index.ts';

type Feeds = Readonly<Record<string, Tensor>>;

/** What the runtime answers, without optimizations of its own: the model as it is written. */
export async function answersOf(model: Model, feeds: Feeds): Promise<Fetches> {
  const session = await openSession(model, { threads: 1, instances: 1, level: 'disabled' });
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

/** Fails where an output lies farther from the wanted one than the pass declares. NaN must stay NaN. */
export function assertWithin(found: Fetches, wanted: Fetches, error: DeclaredError): void {
  assert.deepEqual(Object.keys(found), Object.keys(wanted), 'names of the outputs');
  for (const [name, want] of Object.entries(wanted)) {
    const got = found[name]!;
    assert.deepEqual([got.dtype, ...got.dims], [want.dtype, ...want.dims], `dtype and shape of ${name}`);
    if (want.dtype === 'string') {
      assert.deepEqual(got.strings(), want.strings());
      continue;
    }
    const [values, expected] = [got.numbers(), want.numbers()];
    let top = 0;
    for (const value of expected) if (Number.isFinite(value)) top = Math.max(top, Math.abs(value));
    const bound = error.kind === 'bounded' ? error.atol + error.rtol * top : 0;
    for (const [i, value] of expected.entries()) {
      const near = Math.abs(value - values[i]!) <= bound || value === values[i];
      const equal = near || (Number.isNaN(value) && Number.isNaN(values[i]!));
      assert.ok(equal, `${name}[${i}] is ${values[i]}, not ${value} +- ${bound}`);
    }
  }
}

/**
 * The contract of a pass: the input is left alone to the last bit; what comes out keeps the rules of ONNX and answers within
 * the declared error; a second run finds nothing left to do; nothing modified means the very same model. Returns whether
 * the pass changed something.
 */
export async function holdToContract(
  { pass, options }: Step,
  model: Model,
  feeds: Feeds,
  answers: Fetches,
): Promise<boolean> {
  const context: PassContext = { progress: SILENT, seed: 1 };
  const before = encodeModel(model);
  const { model: result, modified, notes } = await pass.apply(model, options, context);
  assert.ok(Buffer.compare(before, encodeModel(model)) === 0, 'the input was changed');
  for (const note of notes) assert.ok(note.why.length > 0 && note.node.length > 0);
  if (!modified) {
    assert.ok(Buffer.compare(before, encodeModel(result)) === 0, 'changed, and says it is not');
    return false;
  }
  assertValid(result);
  assertWithin(await answersOf(result, feeds), answers, pass.error(options));
  const again = await pass.apply(result, options, context);
  assert.equal(again.modified, false, 'a second run changes it again');
  return true;
}
