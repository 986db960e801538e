import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SILENT } from '../../src/base/index.ts';
import { assertValid, cloneModel, encodeModel, type Model, makeNode, Tensor } from '../../src/graph/index.ts';
import { cleanSteps, EXACT_PASSES, type Pass, runPasses, step } from '../../src/transform/index.ts';
import { answersOf, assertWithin, holdToContract } from './pass-contract.ts';
import { randomGraph } from './random-graph.ts';

const GRAPHS = Number(process.env.MODICUM_GRAPHS ?? 60);

test(`every exact pass keeps its contract on ${GRAPHS} random graphs`, async () => {
  const changed = new Map<string, number>(Object.keys(EXACT_PASSES).map((name) => [name, 0]));
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const { model, feeds, story } = randomGraph(seed);
    assertValid(model);
    const answers = await answersOf(model, feeds).catch((cause) => {
      throw new Error(`the generator made a graph that does not run (${story})`, { cause });
    });
    for (const [name, make] of Object.entries(EXACT_PASSES)) {
      try {
        if (await holdToContract(make(), model, feeds, answers)) changed.set(name, changed.get(name)! + 1);
      } catch (cause) {
        throw new Error(`${name} breaks its contract (${story}): ${(cause as Error).message}`, { cause });
      }
    }
    const cleaned = await runPasses(model, cleanSteps(), { progress: SILENT, seed: 1 }).catch((cause) => {
      throw new Error(`the clean-up fails (${story})`, { cause });
    });
    try {
      assertWithin(await answersOf(cleaned.model, feeds), answers, {
        kind: 'bounded',
        atol: 1e-4,
        rtol: 1e-3,
        why: '',
      });
    } catch (cause) {
      throw new Error(`the clean-up changes the answers (${story}): ${(cause as Error).message}`, { cause });
    }
    assert.ok(cleaned.model.graph.nodes.length <= model.graph.nodes.length + 6, story);
  }
  // A pass that never found anything was not tested.
  for (const [name, times] of changed) assert.ok(times > 0, `${name} changed none of the graphs`);
});

/** A pass with a planted fault. */
function faulty(apply: (copy: Model, input: Model) => Model): Pass {
  return {
    name: 'faulty',
    summary: 'has a planted fault',
    defaults: {},
    error: () => ({ kind: 'bounded', atol: 1e-5, rtol: 1e-4, why: '' }),
    apply: async (model) => ({ model: apply(cloneModel(model), model), modified: true, notes: [] }),
  };
}

function scaleAWeight(model: Model, factor: number): Model {
  for (const [name, tensor] of model.graph.initializers) {
    if (tensor.dtype !== 'float32' || tensor.size < 2) continue;
    model.graph.initializers.set(
      name,
      Tensor.float32(
        tensor.dims,
        tensor.as('float32').map((v) => v * factor),
      ),
    );
    return model;
  }
  return model;
}

test('the contract catches planted faults', async () => {
  const seed = [...Array(40).keys()].find((s) => {
    const { initializers, nodes } = randomGraph(s + 1).model.graph;
    return nodes[0]!.op === 'Conv' && [...initializers.values()][0]?.dtype === 'float32';
  })!;
  const { model, feeds } = randomGraph(seed + 1);
  const answers = await answersOf(model, feeds);
  const caught = (fault: Pass, what: RegExp) =>
    assert.rejects(holdToContract(step(fault), model, feeds, answers), what);
  await caught(
    faulty((copy) => scaleAWeight(copy, 1.05)),
    /is .*, not /,
  );
  await caught(
    faulty((copy) => copy),
    /a second run changes it again/,
  );
  await caught(
    faulty((copy) => {
      copy.graph.nodes.reverse();
      return copy;
    }),
    /breaks a rule of ONNX/,
  );
  await caught(
    faulty((copy, input) => {
      input.graph.nodes[0]!.doc = 'touched';
      return copy;
    }),
    /the input was changed/,
  );
  const silent: Pass = {
    ...faulty((copy) => copy),
    apply: async (input) => ({ model: scaleAWeight(cloneModel(input), 2), modified: false, notes: [] }),
  };
  await caught(silent, /says it is not/);
});

test('the runner names the pass that failed and those before it, and checks what each leaves', async () => {
  const { model } = randomGraph(1);
  const before = encodeModel(model);
  const breaking = faulty((copy) => {
    copy.graph.nodes.push(makeNode('Relu', ['nowhere'], ['never']));
    return copy;
  });
  const steps = [EXACT_PASSES['remove-dead'](), step(breaking)];
  await assert.rejects(
    runPasses(model, steps, { progress: SILENT, seed: 1 }),
    (thrown: Error & { code?: string; data?: { done: string[] } }) => {
      assert.equal(thrown.code, 'PASS_FAILED');
      assert.match(thrown.message, /faulty \(after remove-dead\)/);
      assert.deepEqual(thrown.data?.done, ['remove-dead']);
      return true;
    },
  );
  assert.ok(Buffer.compare(before, encodeModel(model)) === 0);
  const stop = new AbortController();
  stop.abort();
  const cancelled = runPasses(model, cleanSteps(), { progress: SILENT, seed: 1, signal: stop.signal });
  await assert.rejects(cancelled, { name: 'AbortError' });
});
