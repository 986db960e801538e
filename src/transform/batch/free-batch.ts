import { messageOf, Random } from '../../base/index.ts';
import {
  attr,
  cloneModel,
  constantOf,
  type Dim,
  DTYPES,
  type Graph,
  indexGraph,
  inferShapes,
  intOf,
  isFloat,
  type Model,
  type Node,
  namer,
  removeDead,
  sizeOf,
  Tensor,
  type TypedArray,
  type ValueInfo,
} from '../../graph/index.ts';
import { type Feeds, type Fetches, openSession, type Session } from '../../run/index.ts';
import type { PassContext } from '../pass.ts';
import { type Notes, REASSOCIATED, rewriting } from '../rewriting.ts';

export interface FreeBatchOptions {
  /** Name of the symbol. Default 'batch'. */
  readonly symbol: string;
}

/**
 * A model that was exported for one sample at a time learns to take many: the first dimension of its inputs and outputs
 * becomes a symbol, and Reshapes to a fixed batch of 1 copy it. That samples do not mix is proven by running it: a batch of
 * three against three single runs of the model as it was. Where that fails nothing is changed, and a note says why.
 */
export const freeBatch = rewriting<FreeBatchOptions>({
  name: 'free-batch',
  summary: 'a model for single samples learns to take batches, proven by running it',
  defaults: { symbol: 'batch' },
  error: REASSOCIATED,
  async rewrite(model, notes, { symbol }, context) {
    const { graph } = model;
    const fed = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
    const why = cannotFree(fed, graph.outputs);
    if (why !== undefined) {
      if (why !== '') refuse(notes, why);
      return false;
    }
    const original = cloneModel(model);
    freeInfos(graph, fed, symbol);
    freeReshapes(graph, notes);
    // The targets for one sample alone.
    removeDead(graph);
    try {
      checkShapes(model, fed, symbol);
      await prove(original, model, fed, context);
    } catch (cause) {
      context.signal?.throwIfAborted();
      notes.all.length = 0;
      refuse(notes, messageOf(cause));
      return false;
    }
    return true;
  },
});

function refuse(notes: Notes, why: string): void {
  notes.all.push({ node: 'the whole model', op: '', action: 'refused', why });
}

/** Why the batch cannot be freed; '' where it is free already, undefined where it may be tried. */
function cannotFree(inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): string | undefined {
  const firsts: Dim[] = [];
  const shapes = inputs.map(({ type }) => (type.kind === 'tensor' ? type.shape : undefined));
  if (shapes.some((shape) => shape?.some((dim) => typeof dim !== 'number'))) return '';
  for (const { name, type } of [...inputs, ...outputs]) {
    if (type.kind !== 'tensor' || type.shape === undefined) return `${name} is no tensor of known rank`;
    if (type.dtype === 'string') return `${name} holds strings`;
    if (type.shape.length === 0) return `${name} is a scalar`;
    firsts.push(type.shape[0]!);
  }
  if (inputs.length === 0) return 'the model has no inputs';
  const odd = firsts.findIndex((dim) => dim !== 1);
  if (odd < 0) return undefined;
  const { name } = [...inputs, ...outputs][odd]!;
  return `the first dimension of ${name} is ${firsts[odd]}, not a batch of 1`;
}

function freeInfos(graph: Graph, fed: readonly ValueInfo[], symbol: string): void {
  const free = (info: ValueInfo): ValueInfo =>
    info.type.kind === 'tensor' && info.type.shape
      ? { ...info, type: { ...info.type, shape: [symbol, ...info.type.shape.slice(1)] } }
      : info;
  graph.inputs = graph.inputs.map((info) => (fed.includes(info) ? free(info) : info));
  graph.outputs = graph.outputs.map(free);
  // What the file says of inner values holds for a batch of 1 alone.
  graph.values.clear();
}

/** Reshape and Expand targets that begin with the batch of 1 copy the first dimension of what they are given. */
function freeReshapes(graph: Graph, notes: Notes): void {
  const index = indexGraph(graph);
  const fresh = namer(graph);
  const targets = new Map<string, string>();
  for (const node of graph.nodes) {
    if (node.domain !== '' || node.op !== 'Reshape') continue;
    const target = constantOf(graph, node.inputs[1]!, index);
    // A constant that is reshaped is a weight.
    if (target === undefined || constantOf(graph, node.inputs[0]!, index) !== undefined) continue;
    const dims = target.numbers();
    if (dims[0] !== 1) continue;
    const batched = batchedTarget(node, dims);
    const name = targets.get(batched.join()) ?? fresh(`${node.inputs[1]}_batched`);
    targets.set(batched.join(), name);
    graph.initializers.set(name, Tensor.int64([dims.length], batched));
    node.inputs[1] = name;
    notes.changed(node, 'keeps the batch of its input');
  }
}

function batchedTarget(node: Node, dims: readonly number[]): number[] {
  // -1 says 'the rest' whatever the first dimension of the input was; with another -1 there, 0 copies the input's.
  if (!dims.includes(-1) && !dims.slice(1).includes(0)) return [-1, ...dims.slice(1)];
  if (intOf(node, 'allowzero', 0) === 1) node.attributes.set('allowzero', attr.int(0));
  return [0, ...dims.slice(1)];
}

/** By the rules of the operators: with five samples in, every output must have five. */
function checkShapes(model: Model, fed: readonly ValueInfo[], symbol: string): void {
  const many = 5;
  const inputShapes = Object.fromEntries(
    fed.map(({ name, type }) => [name, type.kind === 'tensor' ? concrete(type.shape ?? [], many) : []]),
  );
  const inference = inferShapes(model, { inputShapes, strict: false });
  for (const { name } of model.graph.outputs) {
    const first = inference.get(name)?.shape?.[0];
    if (typeof first === 'number' && first !== many) {
      throw new Error(`output ${name} does not grow with the ${symbol}: ${first} for ${many} samples`);
    }
  }
}

/** A shape with the given batch; free dimensions after it get a small size. */
function concrete(shape: readonly Dim[], batch: number): number[] {
  return shape.map((dim, axis) => (axis === 0 ? batch : typeof dim === 'number' ? dim : 8));
}

const PROOF = 3;

/** Runs both and compares; throws what differs. */
async function prove(
  single: Model,
  batched: Model,
  fed: readonly ValueInfo[],
  context: PassContext,
): Promise<void> {
  const settings = { threads: 1, instances: 1 };
  let one: Session | undefined;
  let many: Session | undefined;
  try {
    one = await openSession(single, settings);
    many = await openSession(batched, settings);
    for (const seed of [context.seed, context.seed + 1]) {
      const feeds = randomBatch(fed, seed);
      const together = await many.run(feeds, { signal: context.signal });
      for (let sample = 0; sample < PROOF; sample++) {
        const alone = await one.run(sampleOf(feeds, sample), { signal: context.signal });
        compare(alone, together, sample);
      }
    }
  } finally {
    await one?.dispose();
    await many?.dispose();
  }
}

/** Random samples: normal floats at several scales, so that samples differ, and small integers that most embeddings hold. */
function randomBatch(fed: readonly ValueInfo[], seed: number): Feeds {
  const random = new Random(seed);
  const feeds: Record<string, Tensor> = {};
  for (const { name, type } of fed) {
    if (type.kind !== 'tensor' || type.dtype === 'string') continue;
    const dims = concrete(type.shape ?? [], PROOF);
    const size = sizeOf(dims);
    const { array, bits } = DTYPES[type.dtype];
    const data: TypedArray = new array(
      new ArrayBuffer(Math.ceil((size * bits) / 8)),
      0,
      Math.ceil((size * bits) / 8 / array.BYTES_PER_ELEMENT),
    );
    for (let i = 0; i < data.length; i++) {
      const scale = 1 + Math.floor((i * PROOF) / data.length);
      if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(random.below(2));
      else if (data instanceof Float32Array || data instanceof Float64Array)
        data[i] = scale * random.normal();
      // Bits of a half: 1 to 2 and their like of both signs.
      else if (isFloat(type.dtype)) data[i] = (random.below(2) << 15) | (0x3c00 + random.below(0x400));
      else data[i] = random.below(2);
    }
    feeds[name] = Tensor.of(type.dtype, dims, data);
  }
  return feeds;
}

function sampleOf(feeds: Feeds, sample: number): Feeds {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      const bytes = tensor.bytes();
      const width = bytes.byteLength / PROOF;
      const own = bytes.slice(sample * width, (sample + 1) * width);
      return [name, Tensor.ofBytes(tensor.dtype, [1, ...tensor.dims.slice(1)], own)];
    }),
  );
}

function compare(alone: Fetches, together: Fetches, sample: number): void {
  for (const [name, want] of Object.entries(alone)) {
    const got = together[name];
    if (got === undefined || got.dims[0] !== PROOF || got.size !== PROOF * want.size) {
      throw new Error(`output ${name} of ${PROOF} samples is [${got?.dims}], of one it is [${want.dims}]`);
    }
    const expected = want.numbers();
    const width = got.size / PROOF;
    const found = got.numbers().slice(sample * width, (sample + 1) * width);
    let top = 0;
    for (const value of expected) if (Number.isFinite(value)) top = Math.max(top, Math.abs(value));
    for (const [i, value] of expected.entries()) {
      if (Object.is(value, found[i]) || Math.abs(value - found[i]!) <= 1e-5 + 1e-4 * top) continue;
      throw new Error(
        `samples of a batch change each other: output ${name} has ${found[i]} where a sample alone has ${value}`,
      );
    }
  }
}
