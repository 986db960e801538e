import { fail } from '../base/index.ts';
import type { Model, ValueInfo } from '../graph/index.ts';
import { type Port, skeletonOf } from '../run/index.ts';

/** What a model says of its inputs, outputs and itself, without being opened. */
export interface ModelPorts {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
}

/** The ports of a model in memory or of a file. Throws FILE_NOT_FOUND, MODEL_*, and NOT_GENERATIVE for ONNX Runtime's own format. */
export async function portsOfModel(model: Model | string): Promise<ModelPorts> {
  const known = typeof model === 'string' ? await skeletonOf(model) : model;
  if (known === undefined) throw fail('NOT_GENERATIVE', `${model} is no .onnx file`);
  const { graph, metadata } = known;
  return {
    inputs: graph.inputs.filter(({ name }) => !graph.initializers.has(name)).flatMap(portOf),
    outputs: graph.outputs.flatMap(portOf),
    metadata,
  };
}

function portOf({ name, type }: ValueInfo): Port[] {
  return type.kind === 'tensor' ? [{ name, dtype: type.dtype, shape: type.shape }] : [];
}
