import { fail, type ModicumError } from '../../base/index.ts';
import { cloneModel, isFloat, labelOf, type Model, type Tensor } from '../../graph/index.ts';
import { type Feeds, openSession } from '../../run/index.ts';
import { Composer } from '../composer.ts';
import type { Layout } from '../parameters/layout.ts';

/** Values that are fetched in one run. */
const CHUNK = 32;

/**
 * Says where a step went astray: the first weight, or in the order of the graph the first node, that is not finite; where
 * all of the model is finite it is the loss or its gradient. `forward` holds the weights of that step.
 */
export async function diagnose(
  forward: Model,
  layout: Layout,
  weights: Float32Array,
  feeds: Feeds,
  step: number,
  lastGood: string | undefined,
): Promise<ModicumError> {
  const kept = lastGood === undefined ? '' : `; the last checkpoint is whole (${lastGood})`;
  const error = (layer: string, why: string) =>
    fail('TRAIN_NOT_FINITE', `step ${step}: ${why}${kept}`, { step, layer });
  const bad = weights.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const { name } = layout.slotAt(bad)!;
    return error(name, `the update of the step before it made ${name} not finite`);
  }
  const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  const to = new Composer(cloneModel(forward), shapes);
  const made = forward.graph.nodes.flatMap((node) =>
    node.outputs
      .filter((name) => name !== '' && isFloat(to.dtype(name) ?? 'int64'))
      .map((name) => ({ node, name })),
  );
  for (let i = 0; i < made.length; i += CHUNK) {
    const chunk = made.slice(i, i + CHUNK);
    const found = await fetch(
      forward,
      feeds,
      chunk.map(({ name }) => name),
    );
    const first = chunk.find(({ name }) => found[name] !== undefined && !allFinite(found[name]));
    if (first === undefined) continue;
    const label = labelOf(first.node);
    return error(label, `the output of ${label} (${first.node.op}) is the first that is not finite`);
  }
  return error('loss', 'the outputs of the model are finite, the loss of them is not');
}

async function fetch(
  forward: Model,
  feeds: Feeds,
  names: readonly string[],
): Promise<Record<string, Tensor>> {
  const model = cloneModel(forward);
  model.graph.outputs = names.map((name) => ({ name, type: { kind: 'unknown' } }));
  const session = await openSession(model);
  try {
    return await session.run(feeds);
  } finally {
    await session.dispose();
  }
}

function allFinite(tensor: Tensor): boolean {
  return tensor.dtype !== 'float32' || tensor.as('float32').every(Number.isFinite);
}
