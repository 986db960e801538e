import { join } from 'node:path';
import { saveModel } from '../src/files/index.ts';
import { attr, makeGraph, makeModel, makeNode, type Node, Tensor, tensorType } from '../src/graph/index.ts';
import { ROOT, sharedData } from '../test/shared-data.ts';
import { wanted } from './arguments.ts';
import { scratch } from './shared-models.ts';

/** A model that is served. */
export interface ServedCase {
  readonly name: string;
  readonly path: string;
  readonly note: string;
  /** Samples of a batch at most; 1: the model takes single samples alone. */
  readonly maxBatch: number;
}

/** The models that are asked for and there; those that are absent are told on the way. */
export async function servedCases(names: readonly string[]): Promise<ServedCase[]> {
  const found: ServedCase[] = [];
  for (const name of names.filter(wanted)) {
    const one = await MAKERS[name]!();
    if (one === undefined) console.log(`skipped: the shared data of ${name} is absent`);
    else found.push({ name, ...one });
  }
  return found;
}

type Made = Omit<ServedCase, 'name'> | undefined;

function shared(file: string, rest: { note: string; maxBatch: number }): Made {
  const path = sharedData(file);
  return path === undefined ? undefined : { path, ...rest };
}

const MAKERS: Readonly<Record<string, () => Made | Promise<Made>>> = {
  scorer: async () => ({
    ...{ path: await scorer(), maxBatch: 32 },
    note: `dense layers ${WIDTHS.join(', ')}, random weights: reading them is what a single sample costs`,
  }),
  ultraface: () =>
    shared('ultraface/version-RFB-320.onnx', { note: 'photos of 922 kB, one a call', maxBatch: 1 }),
  magika: () =>
    shared('magika/model/model.onnx', {
      note: 'kinds of files; a batch is no faster than its samples',
      maxBatch: 8,
    }),
  spotter: () => ({
    path: join(ROOT, 'examples/keyword-spotter/heavy.onnx'),
    note: 'keywords, 2 kB a clip',
    maxBatch: 32,
  }),
};

const WIDTHS = [1024, 2048, 2048, 2048, 2048, 1000];

/** As ranking and scoring models are: large matrices, few multiplications with each number of them. */
async function scorer(): Promise<string> {
  const weights = new Map<string, Tensor>();
  const nodes: Node[] = [];
  let x = 'x';
  let state = 1;
  for (let i = 0; i + 1 < WIDTHS.length; i++) {
    const [from, to] = [WIDTHS[i]!, WIDTHS[i + 1]!];
    const spread = Math.sqrt(6 / from);
    const values = new Float32Array(from * to);
    for (let j = 0; j < values.length; j++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      values[j] = (state / 2 ** 31 - 1) * spread;
    }
    weights.set(`w${i}`, Tensor.float32([from, to], values));
    nodes.push(makeNode('Gemm', [x, `w${i}`], [`y${i}`], { transB: attr.int(0) }));
    x = `y${i}`;
    if (i + 2 === WIDTHS.length) break;
    nodes.push(makeNode('Relu', [x], [`r${i}`]));
    x = `r${i}`;
  }
  const graph = makeGraph({
    inputs: [{ name: 'x', type: tensorType('float32', ['N', WIDTHS[0]!]) }],
    outputs: [{ name: x, type: tensorType('float32', ['N', WIDTHS.at(-1)!]) }],
    nodes,
    initializers: weights,
  });
  const path = join(scratch(), 'scorer.onnx');
  await saveModel(makeModel(graph, 17, { irVersion: 8 }), path);
  return path;
}
