import assert from 'node:assert/strict';
import * as ort from 'onnxruntime-node';
import { Random } from '../../../src/base/index.ts';
import {
  assertValid,
  cloneModel,
  encodeModel,
  isFloat,
  type Model,
  opKey,
  sizeOf,
  Tensor,
} from '../../../src/graph/index.ts';
import {
  Composer,
  differentiate,
  expandNodes,
  type GradientRule,
  gradientRuleOf,
  lowerMacros,
} from '../../../src/train/index.ts';
import { evaluate, finiteDifferences, KERNELS, ofTensor, type Value } from '../../reference/index.ts';
import type { Forward, GradientCase } from './case.ts';

/** Elements of an input that finite differences ask for; of larger inputs a random choice. */
const ASKED = 24;
/** Against finite differences in double precision, relative to the largest slope of the input. */
export const NEAR_DIFFERENCES = 1e-5;
/** Float32 by ONNX Runtime against double, relative to the largest gradient of the input. */
const NEAR_RUNTIME = 1e-3;

type Values = Readonly<Record<string, Value>>;

/** A forward graph made a scalar by random weights, and its slopes by central differences. */
export interface Prepared {
  readonly story: string;
  readonly forward: Forward;
  readonly feeds: Values;
  /** The forward graph in operators that the reference knows. */
  readonly plain: Model;
  /** Weight of each element of each float output. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly slopes: readonly Slope[];
}

/** The slope of the scalar in one element of an input. */
interface Slope {
  readonly input: string;
  readonly element: number;
  readonly value: number;
}

/** How gradients are made; a planted fault replaces a part. */
export interface Making {
  readonly rule?: (key: string, rule: GradientRule) => GradientRule;
  readonly composer?: typeof Composer;
}

/** Makes the case's graph for a seed and asks the oracle for its slopes. */
export function prepare(one: GradientCase, seed: number): Prepared {
  const random = new Random(seed);
  const forward = one.make(random);
  const story = `${one.name}, seed ${seed}`;
  assertValid(forward.model);
  const feeds = Object.fromEntries(Object.entries(forward.feeds).map(([name, t]) => [name, ofTensor(t)]));
  const plain = plainOf(forward);
  const answers = evaluate(plain, feeds);
  const weights = new Map<string, Tensor>();
  for (const [name, { dims, kind }] of Object.entries(answers)) {
    if (kind !== 'float') continue;
    const sign = () => (random.uniform() < 0.5 ? -1 : 1);
    const drawn = Float32Array.from({ length: sizeOf(dims) }, () => sign() * (0.5 + random.uniform()));
    weights.set(name, Tensor.float32(dims, drawn));
  }
  const scalar = (values: Values) => {
    const found = evaluate(plain, values);
    let sum = 0;
    for (const [name, weight] of weights) {
      const factors = weight.numbers();
      for (const [i, value] of found[name]!.data.entries()) sum += value * factors[i]!;
    }
    return sum;
  };
  const slopes = wrtOf(forward).flatMap((input) => slopesOf(scalar, feeds, input, random));
  assert.ok(
    slopes.every(({ value }) => Number.isFinite(value)),
    `${story}: not finite`,
  );
  return { story, forward, feeds, plain, weights, slopes };
}

/**
 * Operators that the reference does not know are expanded; `assertRuns` then has the runtime say that the expansion is
 * right.
 */
function plainOf({ model, feeds }: Forward): Model {
  if (model.graph.nodes.every((node) => Object.hasOwn(KERNELS, opKey(node)))) return model;
  const plain = cloneModel(model);
  expandNodes(composerOf(Composer, plain, feeds), (node) => !Object.hasOwn(KERNELS, opKey(node)));
  return plain;
}

function composerOf(Made: typeof Composer, model: Model, feeds: Forward['feeds']): Composer {
  return new Made(model, Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims])));
}

function slopesOf(scalar: (values: Values) => number, feeds: Values, input: string, random: Random): Slope[] {
  const { data } = feeds[input]!;
  const all = random.shuffle(Array.from(data.keys()));
  const asked = all.slice(0, ASKED);
  const at = (moved: Float64Array) => {
    const whole = Float64Array.from(data);
    for (const [i, element] of asked.entries()) whole[element] = moved[i]!;
    return scalar({ ...feeds, [input]: { ...feeds[input]!, data: whole } });
  };
  const found = finiteDifferences(
    at,
    Float64Array.from(asked, (element) => data[element]!),
  );
  return asked.map((element, i) => ({ input, element, value: found[i]! }));
}

/** The values whose gradients a case asks for. */
export function wrtOf({ model, feeds, wrt }: Forward): readonly string[] {
  return wrt ?? model.graph.inputs.map(({ name }) => name).filter((name) => isFloat(feeds[name]!.dtype));
}

/**
 * The model that answers with the gradient of the weighted sum of all outputs, one output `d.x` for each input x it
 * depends on; the rows of GRADIENTS that were asked, and the operators that were expanded before.
 */
export function gradientModel(
  { forward, weights }: Pick<Prepared, 'forward' | 'weights'>,
  { rule = (_key, own) => own, composer: Made = Composer }: Making = {},
): { model: Model; asked: ReadonlySet<string>; expanded: ReadonlySet<string> } {
  const model = cloneModel(forward.model);
  const to = composerOf(Made, model, forward.feeds);
  forward.compose?.(to);
  let sum: string | undefined;
  for (const [name, weight] of weights) {
    // Of whatever width it is, the scalar is a float32.
    const value = to.dtype(name) === 'float32' ? name : to.op('Cast', [name], { to: 1 });
    const product = to.op('Mul', [value, to.constant(weight)]);
    const part = to.sum(
      product,
      weight.dims.map((_, i) => i),
    );
    sum = sum === undefined ? part : to.op('Add', [sum, part]);
  }
  const asked = new Set<string>();
  const found = differentiate(to, sum!, wrtOf(forward), (node) => {
    const own = gradientRuleOf(node);
    asked.add(opKey(node));
    return own && rule(opKey(node), own);
  });
  lowerMacros(to);
  // Those that are still there were not on the way.
  const left = new Set(model.graph.nodes.map(opKey));
  const before = new Set(forward.model.graph.nodes.map(opKey));
  const expanded = new Set([...before].filter((key) => !left.has(key)));
  model.graph.outputs = [];
  for (const [name, gradient] of found) to.output(gradient, `d.${name}`);
  return { model, asked, expanded };
}

/** Fails where a gradient is not that of finite differences. Absent gradients are zero. */
export function assertMeets({ story, slopes }: Prepared, gradients: Values): void {
  const top = new Map<string, number>();
  for (const { input, value } of slopes) top.set(input, Math.max(top.get(input) ?? 0, Math.abs(value)));
  for (const { input, element, value } of slopes) {
    const found = gradients[`d.${input}`]?.data[element] ?? 0;
    const bound = NEAR_DIFFERENCES * Math.max(1e-3, top.get(input)!);
    const message = `${story}: d.${input}[${element}] is ${found}, by differences ${value}`;
    assert.ok(Math.abs(found - value) <= bound, message);
  }
}

/**
 * Fails where ONNX Runtime in float32 refuses the graph of the gradients or gives others than the oracle, or where it
 * answers the forward graph otherwise than what that was expanded to.
 */
export async function assertRuns(prepared: Prepared, model: Model, wanted: Values): Promise<void> {
  const { forward, plain, feeds } = prepared;
  if (plain !== forward.model) await assertAnswers(prepared, forward.model, evaluate(plain, feeds));
  if (model.graph.outputs.length > 0) await assertAnswers(prepared, model, wanted);
}

async function assertAnswers({ story, forward }: Prepared, model: Model, wanted: Values): Promise<void> {
  const found = await runtimeAnswers(model, forward.feeds);
  for (const [name, { data, dims }] of Object.entries(wanted)) {
    const { numbers, dims: shape } = found[name]!;
    assert.deepEqual(shape, dims, `${story}: shape of ${name}`);
    const top = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
    for (const [i, value] of data.entries()) {
      const message = `${story}: ${name}[${i}] is ${numbers[i]} in the runtime, ${value} in double`;
      assert.ok(Math.abs(numbers[i]! - value) <= NEAR_RUNTIME * top, message);
    }
  }
}

/** One run on this thread: hundreds of small graphs are not worth a worker each. */
async function runtimeAnswers(model: Model, feeds: Forward['feeds']) {
  const session = await ort.InferenceSession.create(encodeModel(model), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const inputs = Object.entries(feeds).map(([name, tensor]) => {
    const data = tensor.data() as Float32Array;
    return [name, new ort.Tensor(tensor.dtype as 'float32', data, tensor.dims)] as const;
  });
  const outputs = await session.run(Object.fromEntries(inputs));
  await session.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data, dims }]) => [
      name,
      { numbers: Array.from(data as Float32Array), dims: [...dims] },
    ]),
  );
}
