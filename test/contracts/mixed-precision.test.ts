import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random, SILENT } from '../../src/base/index.ts';
import { inMemory } from '../../src/data/index.ts';
import {
  assertValid,
  encodeModel,
  inferShapes,
  type Model,
  type Node,
  type Tensor,
} from '../../src/graph/index.ts';
import { openSession } from '../../src/run/index.ts';
import {
  cleanUp,
  MIXED_DEFAULTS,
  mixedPrecision,
  mixLayers,
  type PassResult,
  type Precision,
} from '../../src/transform/index.ts';
import { answersOf } from './pass-contract.ts';
import { randomGraph } from './random-graph.ts';

const GRAPHS = Number(process.env.MODICUM_GRAPHS ?? 60);
type Feeds = Readonly<Record<string, Tensor>>;

/** What a node of the result computes in, read off the graph. */
function precisionIn(model: Model, node: Node): Precision {
  if (node.op === 'MatMulNBits') return 'int4';
  const types = inferShapes(model, { strict: false });
  if (node.outputs.some((name) => types.get(name)?.dtype === 'float16')) return 'fp16';
  const makers = node.inputs.map((name) => model.graph.nodes.find(({ outputs }) => outputs.includes(name)));
  return makers.some((maker) => maker?.op === 'DequantizeLinear') ? 'int8' : 'fp32';
}

/** Fails where a layer is not in what it was assigned and says, or one in fp32 has not the very weights it had. */
function holdToAssignment(
  float: Model,
  made: PassResult,
  assigned: Readonly<Record<string, Precision>>,
): Precision[] {
  const found: Precision[] = [];
  for (const layer of mixLayers(float)) {
    for (const name of layer.nodes) {
      const [before, after] = [float, made.model].map(({ graph }) =>
        graph.nodes.find((node) => node.name === name),
      );
      assert.ok(before !== undefined && after !== undefined, `${name} is gone`);
      const kept = made.notes.some(({ node, action }) => node === name && action === 'changed');
      const told = made.notes.some(({ node, action }) => node === name && action !== 'changed');
      const wanted = assigned[name]!;
      const got = precisionIn(made.model, after);
      if (kept || wanted === 'fp32') assert.equal(got, wanted, name);
      else assert.ok(told && got === 'fp32', `${name} is ${got} instead of ${wanted}, and no note says why`);
      if (got === 'fp32') {
        for (const [i, input] of before.inputs.entries()) {
          const weight = float.graph.initializers.get(input);
          if (weight === undefined || i > 1) continue;
          assert.equal(made.model.graph.initializers.get(after.inputs[i]!), weight, `weight of ${name}`);
        }
      }
      found.push(got);
    }
  }
  return found;
}

interface Mixed {
  readonly float: Model;
  readonly feeds: Feeds;
  readonly assigned: Record<string, Precision>;
  readonly made: PassResult;
  readonly story: string;
}

/** A random graph, cleaned, under a random assignment; undefined where it has no layer, or the runtime cannot optimize it. */
async function mixed(seed: number): Promise<Mixed | undefined> {
  const { model, feeds, story } = randomGraph(seed);
  const context = { progress: SILENT, seed: 1, calibration: inMemory(feeds) };
  const { model: float } = await cleanUp.apply(model, cleanUp.defaults, context);
  const layers = mixLayers(float, { least: 1 });
  if (layers.length === 0 || !(await opens(float))) return undefined;
  const random = new Random(seed * 31);
  const assigned: Record<string, Precision> = {};
  for (const { nodes, precisions } of layers) {
    const precision = precisions[random.below(precisions.length)]!;
    for (const name of nodes) assigned[name] = precision;
  }
  const before = encodeModel(float);
  const options = { ...MIXED_DEFAULTS, assignment: assigned, weights: { least: 1, blockSize: 16 } as const };
  const made = await mixedPrecision.apply(float, options, context);
  assert.ok(Buffer.compare(before, encodeModel(float)) === 0, 'the input was changed');
  assertValid(made.model);
  const again = await mixedPrecision.apply(float, options, context);
  assert.ok(Buffer.compare(encodeModel(again.model), encodeModel(made.model)) === 0, 'not the same again');
  return { float, feeds, assigned, made, story };
}

async function opens(model: Model): Promise<boolean> {
  try {
    await (await openSession(model, { threads: 1 })).dispose();
    return true;
  } catch {
    return false;
  }
}

/** Noise over signal, by root mean square, of the worst output. */
function noise(wanted: Record<string, Tensor>, got: Record<string, Tensor>): number {
  let worst = 0;
  for (const [name, tensor] of Object.entries(wanted)) {
    const [a, b] = [tensor.numbers(), got[name]!.numbers()];
    const power = a.reduce((sum, value) => sum + value * value, 0);
    const lost = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
    if (power > 0) worst = Math.max(worst, Math.sqrt(lost / power));
  }
  return worst;
}

test(`each layer in what it was assigned, on ${GRAPHS} random graphs`, async () => {
  const seen: Record<Precision, number> = { fp32: 0, fp16: 0, int8: 0, int4: 0 };
  const noises: number[] = [];
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const one = await mixed(seed).catch((cause: Error & { code?: string }) => {
      if (cause.code === 'NOTHING_TO_QUANTIZE') return undefined;
      throw new Error(`the assignment of ${randomGraph(seed).story} fails: ${cause.message}`, { cause });
    });
    if (one === undefined) continue;
    try {
      for (const precision of holdToAssignment(one.float, one.made, one.assigned)) seen[precision]++;
      noises.push(noise(await answersOf(one.float, one.feeds), await answersOf(one.made.model, one.feeds)));
    } catch (cause) {
      throw new Error(`a mix breaks its contract (${one.story}): ${(cause as Error).message}`, { cause });
    }
  }
  for (const [precision, times] of Object.entries(seen))
    assert.ok(times >= 3, `${precision} was tried ${times} times`);
  noises.sort((a, b) => a - b);
  // 4 bits in a net of a dozen weights hurt; what is wrong altogether would be as loud as the signal.
  assert.ok(noises[noises.length >> 1]! < 0.1, `median noise ${noises[noises.length >> 1]}`);
  assert.ok(noises.at(-1)! < 0.7, `worst noise ${noises.at(-1)}`);
});

test('the contract sees a layer that is not what it says, and a float weight that was touched', async () => {
  let caught = 0;
  for (let seed = 1; seed <= GRAPHS && caught < 4; seed++) {
    const one = await mixed(seed).catch(() => undefined);
    if (one === undefined || !one.made.modified) continue;
    const { float, made, assigned } = one;
    const [name] = Object.entries(assigned).find(([, precision]) => precision !== 'fp32') ?? [];
    if (name === undefined || !made.notes.some(({ node, action }) => node === name && action === 'changed'))
      continue;
    // As if the pass had forgotten the node: the float model, and notes that say otherwise.
    assert.throws(() => holdToAssignment(float, { ...made, model: float }, assigned));
    caught++;
  }
  assert.equal(caught, 4);
});
