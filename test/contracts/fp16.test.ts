import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../src/base/index.ts';
import { inMemory } from '../../src/data/index.ts';
import { assertValid, encodeModel, type Model, Tensor } from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import { HALF_DEFAULTS, halfPrecision } from '../../src/transform/index.ts';
import { answersOf, assertWithin } from './pass-contract.ts';
import { randomGraph } from './random-graph.ts';

const GRAPHS = Number(process.env.MODICUM_GRAPHS ?? 80);

/** What 11 bits may do over the dozen layers of a random graph; measured, most stay within a fifth. */
const WITHIN = { kind: 'bounded', atol: 2e-2, rtol: 2e-2, why: 'rounded to 11 bits' } as const;

/** Calibration runs a model as users do; a few random graphs break the runtime's own reshape fusion, before float16 or after. */
async function opens(model: Model): Promise<boolean> {
  try {
    await (await openSession(model, { threads: 1 })).dispose();
    return true;
  } catch {
    return false;
  }
}

async function halved(model: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Model> {
  const before = encodeModel(model);
  const context = {
    progress: SILENT,
    seed: 1,
    calibration: (await opens(model)) ? inMemory(feeds) : undefined,
  };
  const { model: made, modified, notes } = await halfPrecision.apply(model, HALF_DEFAULTS, context);
  assert.ok(Buffer.compare(before, encodeModel(model)) === 0, 'the input was changed');
  for (const note of notes) assert.ok(note.why.length > 0 && note.node.length > 0);
  if (!modified) return model;
  assertValid(made);
  const again = await halfPrecision.apply(made, HALF_DEFAULTS, context);
  assert.equal(again.modified, false, 'a second run changes it again');
  return made;
}

test(`float16 runs on the CPU and answers within its precision, on ${GRAPHS} random graphs`, async () => {
  let changed = 0;
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    const answers = await answersOf(model, feeds);
    try {
      const made = await halved(model, feeds);
      if (made === model) continue;
      changed++;
      assertWithin(await answersOf(made, feeds), answers, WITHIN);
    } catch (cause) {
      throw new Error(`float16 breaks its contract (${story}): ${(cause as Error).message}`, { cause });
    }
  }
  assert.ok(changed > GRAPHS / 2, `only ${changed} graphs were changed`);
});

test('the contract sees a weight that is off by a tenth', async () => {
  let seen = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { model, feeds } = randomGraph(seed);
    const made = await halved(model, feeds);
    const [name, tensor] =
      [...made.graph.initializers].find(([, one]) => one.dtype === 'float16' && one.size > 4) ?? [];
    if (name === undefined || tensor === undefined) continue;
    const spoiled = tensor.numbers().map((bits) => bits ^ 0x200);
    made.graph.initializers.set(name, Tensor.of('float16', tensor.dims, Uint16Array.from(spoiled)));
    const answers = await answersOf(model, feeds);
    const found = await answersOf(made, feeds);
    try {
      assertWithin(found, answers, WITHIN);
    } catch {
      seen++;
    }
  }
  assert.ok(seen >= 5, `seen in ${seen} graphs`);
});
