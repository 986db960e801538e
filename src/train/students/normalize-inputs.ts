import { bind, type Dataset } from '../../data/index.ts';
import { cloneModel, type Model, makeNode, namer, replaceUses, Tensor } from '../../graph/index.ts';

/** Samples that tell how large the numbers are. */
const SAMPLES = 1024;

/**
 * Lets an untrained model see each float input with mean 0 and deviation 1 (one figure of each for the whole input, from the data):
 * the ways in which weights begin count on it. Inputs that are about so already are left alone. What is put in are constants,
 * and is not trained.
 */
export async function normalizeInputs(model: Model, data: Dataset, signal?: AbortSignal): Promise<Model> {
  const copy = cloneModel(model);
  const { graph } = copy;
  const fed = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const ports = fed.flatMap(({ name, type }) =>
    type.kind === 'tensor' ? [{ name, dtype: type.dtype, shape: type.shape }] : [],
  );
  const moments = new Map<string, { count: number; mean: number; square: number }>();
  const step = Math.max(1, Math.floor(data.size / SAMPLES));
  const indices = Array.from({ length: Math.min(SAMPLES, data.size) }, (_, i) => i * step);
  for await (const { feeds } of bind(data, ports, { batch: 64, indices, signal })) {
    for (const [name, tensor] of Object.entries(feeds)) {
      if (tensor.dtype !== 'float32') continue;
      const now = moments.get(name) ?? { count: 0, mean: 0, square: 0 };
      for (const value of tensor.as('float32')) {
        now.count++;
        const away = value - now.mean;
        now.mean += away / now.count;
        now.square += away * (value - now.mean);
      }
      moments.set(name, now);
    }
  }
  const fresh = namer(graph);
  for (const [name, { count, mean, square }] of moments) {
    const deviation = Math.sqrt(square / Math.max(1, count));
    if (!(deviation > 0) || (Math.abs(mean) < 0.25 && deviation > 0.5 && deviation < 2)) continue;
    const [shift, scale] = [fresh(`${name}.mean`), fresh(`${name}.scale`)];
    const [centred, normal] = [fresh(`${name}.centred`), fresh(`${name}.normal`)];
    graph.initializers.set(shift, Tensor.float32([], [mean]));
    graph.initializers.set(scale, Tensor.float32([], [1 / deviation]));
    replaceUses(graph, name, normal);
    graph.nodes.unshift(
      makeNode('Sub', [name, shift], [centred], {}, { name: `${centred}:node` }),
      makeNode('Mul', [centred, scale], [normal], {}, { name: `${normal}:node` }),
    );
  }
  return copy;
}
