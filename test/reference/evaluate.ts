import { messageOf } from '../../src/base/index.ts';
import { type Model, opKey } from '../../src/graph/index.ts';
import { ATTENTION } from './attention.ts';
import { BINARY } from './binary.ts';
import { CONV } from './conv.ts';
import { CREATE } from './create.ts';
import { GATHER } from './gather.ts';
import type { Kernels } from './kernel.ts';
import { LAYOUT } from './layout.ts';
import { MATMUL } from './matmul.ts';
import { NORMALIZE } from './normalize.ts';
import { POOL } from './pool.ts';
import { QUANTIZE } from './quantize.ts';
import { RECURRENT } from './recurrent.ts';
import { REDUCE } from './reduce.ts';
import { RESIZE } from './resize.ts';
import { UNARY } from './unary.ts';
import { ofTensor, type Value } from './value.ts';

/** Every operator that the reference knows. */
export const KERNELS: Kernels = {
  ...CREATE,
  ...UNARY,
  ...BINARY,
  ...MATMUL,
  ...REDUCE,
  ...CONV,
  ...POOL,
  ...NORMALIZE,
  ...LAYOUT,
  ...GATHER,
  ...RESIZE,
  ...ATTENTION,
  ...RECURRENT,
  ...QUANTIZE,
};

/**
 * Runs a model in double precision by plain loops: slow, and independent of every engine. Floats of all declared widths
 * are doubles, and a Cast between them changes nothing. Answers the outputs of the graph, by name. Throws an Error that
 * names the operator where none of KERNELS fits, and that names the node where a kernel refuses. `kernels`: others to use
 * (a wrong one must make a test fail).
 */
export function evaluate(
  model: Model,
  feeds: Readonly<Record<string, Value>>,
  kernels: Kernels = KERNELS,
): Record<string, Value> {
  const { graph, opsets } = model;
  const missing = new Set(graph.nodes.map(opKey).filter((key) => !Object.hasOwn(kernels, key)));
  if (missing.size > 0) throw new Error(`the reference has no ${[...missing].join(', ')}`);
  const values = new Map<string, Value>();
  for (const [name, tensor] of graph.initializers) values.set(name, ofTensor(tensor));
  for (const [name, value] of Object.entries(feeds)) values.set(name, value);
  const find = (name: string): Value => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`"${name}" was neither fed nor made`);
    return value;
  };
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : find(name)));
    const opset = opsets.get(node.domain) ?? 1;
    try {
      const outputs = kernels[opKey(node)]!({ node, inputs, opset });
      for (const [i, name] of node.outputs.entries()) {
        if (name === '') continue;
        if (outputs[i] === undefined) throw new Error(`no output ${i}`);
        values.set(name, outputs[i]);
      }
    } catch (cause) {
      throw new Error(`${node.op} "${node.outputs[0]}": ${messageOf(cause)}`, { cause });
    }
  }
  return Object.fromEntries(graph.outputs.map(({ name }) => [name, find(name)]));
}
