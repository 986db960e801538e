import { fail, type Progress, SILENT } from '../../base/index.ts';
import { bind, type Dataset, planBatch } from '../../data/index.ts';
import { type Model, removeDead, sortNodes, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import { Order } from '../loop/order.ts';
import { Targets } from '../loop/targets.ts';
import { trainableWeights } from '../parameters/trainable.ts';
import { buildGradient } from '../step/gradient-graph.ts';
import { STEP } from '../step/names.ts';
import type { Term } from '../step/objective.ts';

export interface TaylorOptions {
  /** Samples that are looked at. Default 1024. */
  readonly samples?: number;
  /** Default 64. */
  readonly batch?: number;
  readonly seed?: number;
  readonly threads?: number;
  readonly progress?: Progress;
  readonly signal?: AbortSignal;
}

/**
 * How much the loss would change, to first order, if a number of the weights were 0: |w * dL/dw|, the mean over batches
 * (Molchanov et al. 2019, equation 8, before it is summed over a channel). By the names of the initializers, in their shapes.
 * `forward` is at the training opset, and the terms learn from labels. Throws TRAIN_*, DATA_*.
 */
export async function taylorScores(
  forward: Model,
  terms: readonly Term[],
  data: Dataset,
  options: TaylorOptions = {},
): Promise<Map<string, Tensor>> {
  const { samples = 1024, seed = 0, progress = SILENT, signal } = options;
  const ports = forward.graph.inputs.flatMap(({ name, type }) =>
    type.kind === 'tensor' && !forward.graph.initializers.has(name)
      ? [{ name, dtype: type.dtype, shape: type.shape }]
      : [],
  );
  const plan = planBatch(data, ports, Math.min(options.batch ?? 64, data.size));
  if (data.size < plan.batch)
    throw fail('DATA_TOO_FEW', `${data.name} has ${data.size} samples, a step takes ${plan.batch}`);
  const inputShapes = Object.fromEntries(
    plan.feeds.map(({ input, dims, whole }) => [input, whole ? dims : [plan.batch, ...dims]]),
  );
  const weights = trainableWeights(forward);
  const graph = buildGradient(forward, { inputShapes, weights, terms, normalization: 'frozen' });
  graph.to.output(graph.gradient, STEP.gradient);
  removeDead(graph.to.model.graph);
  sortNodes(graph.to.model.graph);
  const targets = new Targets(graph.targets, data, undefined);
  const session = await openSession(
    graph.to.model,
    options.threads === undefined ? {} : { threads: options.threads },
  );
  const sums = new Float32Array(graph.layout.size);
  const order = new Order(data.size, plan.batch, seed);
  const steps = Math.max(1, Math.min(order.steps, Math.floor(samples / plan.batch)));
  const stage = progress.stage('Weighing weights', steps);
  try {
    const parameters = Tensor.float32([graph.layout.size], graph.weights);
    for (let step = 0; step < steps; step++) {
      const indices = order.indices(step);
      for await (const { feeds, labels } of bind(data, ports, { batch: plan.batch, indices, signal })) {
        const aims = await targets.feeds(indices, labels, signal);
        const out = await session.run({ ...feeds, ...aims, [STEP.parameters]: parameters }, { signal });
        const gradient = out[STEP.gradient]!.as('float32');
        for (let i = 0; i < sums.length; i++) sums[i]! += Math.abs(gradient[i]! * graph.weights[i]!) / steps;
      }
      stage.advance(1);
    }
  } finally {
    stage.end();
    await session.dispose();
  }
  return graph.layout.tensors(sums);
}
