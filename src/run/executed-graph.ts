import { join } from 'node:path';
import { loadModel, weightBytes } from '../files/index.ts';
import { type Attribute, cloneModel, type Graph, type Model, Tensor } from '../graph/index.ts';
import { Pool } from './pool.ts';
import { resolveSettings, type SessionSettings } from './settings.ts';
import { holdSource, MOST_IN_MESSAGE } from './source.ts';
import { temporaryFolder } from './temporary.ts';

/**
 * The graph that ONNX Runtime really executes under these settings, after all its fusions. At levels layout and all it
 * holds nodes of this machine's own layout (NCHWc). Complete in memory: nothing is left on the disk.
 * Throws what `openSession` throws.
 */
export async function executedGraph(
  model: Model | string,
  settings: Partial<SessionSettings> = {},
): Promise<Model> {
  const known = typeof model === 'string' ? await loadModel(model) : model;
  const large = weightBytes(known.graph) > MOST_IN_MESSAGE;
  const resolved = resolveSettings({ ...settings, instances: 1 });
  // Above what protobuf holds, ONNX Runtime must write weights beside the graph. Not below: there it would write those of
  // subgraphs twice under one name, which is no valid model, and leave external ones where they are; so it gets them inside.
  const outside = {
    'session.optimized_model_external_initializers_file_name': 'weights.bin',
    'session.optimized_model_external_initializers_min_size_in_bytes': '1024',
  };
  const config = large ? { ...outside, ...resolved.config } : resolved.config;
  const folder = await temporaryFolder();
  try {
    const optimizedPath = join(folder.path, 'executed.onnx');
    const pool = await Pool.open(
      await holdSource(large ? model : known),
      undefined,
      { ...resolved, config },
      { optimizedPath },
    );
    await pool.dispose();
    return inMemory(await loadModel(optimizedPath));
  } finally {
    await folder.remove();
  }
}

/** The same model with every tensor read. */
function inMemory(model: Model): Model {
  const copy = cloneModel(model);
  readAll(copy.graph);
  return copy;
}

function read(tensor: Tensor): Tensor {
  return tensor.lazy ? Tensor.ofBytes(tensor.dtype, tensor.dims, tensor.bytes()) : tensor;
}

function readAll(graph: Graph): void {
  for (const [name, tensor] of graph.initializers) graph.initializers.set(name, read(tensor));
  for (const node of graph.nodes) {
    for (const [name, attribute] of node.attributes) node.attributes.set(name, readAttribute(attribute));
  }
}

function readAttribute(attribute: Attribute): Attribute {
  if (attribute.type === 'tensor') return { type: 'tensor', value: read(attribute.value) };
  if (attribute.type === 'tensors') return { type: 'tensors', value: attribute.value.map(read) };
  if (attribute.type === 'graph') readAll(attribute.value);
  if (attribute.type === 'graphs') attribute.value.forEach(readAll);
  return attribute;
}
