import { fail } from '../../base/index.ts';
import { bind, type Dataset } from '../../data/index.ts';
import { cloneModel, indexGraph, type Model, sizeOf } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';
import {
  type PruneGroups,
  type UnitScores,
  unitScores,
  valueScores,
  weightImportance,
} from '../../transform/index.ts';
import { prepareForTraining } from '../prepare/prepare.ts';
import { type LossRequest, labelTerms } from '../terms.ts';
import { type TaylorOptions, taylorScores } from './taylor.ts';

/** What a way of weighing units may look at. */
export interface ImportanceSite {
  readonly model: Model;
  readonly groups: PruneGroups;
  readonly data: Dataset | undefined;
  /** What the outputs learn from the labels, for what needs gradients. Default: what fits. */
  readonly losses?: readonly LossRequest[];
  readonly options: TaylorOptions;
}

/** A way to say how much each unit matters. */
export interface Importance {
  readonly name: string;
  /** One line for --help and the docs. */
  readonly summary: string;
  readonly needsData: boolean;
  scores(site: ImportanceSite): Promise<UnitScores>;
}

/** Every way by name: a new one is a row here. */
export const IMPORTANCES = {
  l1: {
    name: 'l1',
    summary: 'mean size of its weights',
    needsData: false,
    scores: async ({ model, groups }) => weightImportance(model, groups, 'l1'),
  },
  l2: {
    name: 'l2',
    summary: 'root of the mean square of its weights',
    needsData: false,
    scores: async ({ model, groups }) => weightImportance(model, groups, 'l2'),
  },
  taylor: {
    name: 'taylor',
    // Not the distance from the model as it was: at the start that is nothing, and so is its gradient.
    summary: 'how much the loss on the labels would change without it, to first order',
    needsData: true,
    async scores({ model, groups, data, losses, options }) {
      const { forward } = await prepareForTraining(model, options);
      const found = await taylorScores(forward, labelTerms(forward, data!, losses), data!, options);
      const elements = (name: string) => found.get(name)?.as('float32');
      return unitScores(model, groups, elements, 'sum');
    },
  },
  activations: {
    name: 'activations',
    summary: 'mean size of what it gives on samples',
    needsData: true,
    scores: ({ model, groups, data, options }) => activationScores(model, groups, data!, options),
  },
} as const satisfies Record<string, Importance>;

export type ImportanceName = keyof typeof IMPORTANCES;

/** Throws USAGE_BAD_OPTION, naming those there are. */
export function importanceByName(name: string): Importance {
  if (Object.hasOwn(IMPORTANCES, name)) return IMPORTANCES[name as ImportanceName];
  throw fail('USAGE_BAD_OPTION', `no importance "${name}"; there are ${Object.keys(IMPORTANCES).join(', ')}`);
}

/** The mean size of each channel of what the producers of units give, over some samples. */
async function activationScores(
  model: Model,
  groups: PruneGroups,
  data: Dataset,
  { samples = 1024, batch = 64, signal }: TaylorOptions,
): Promise<UnitScores> {
  const watched = copyWithProducers(model, groups);
  const session = await openSession(watched.model);
  const sums = new Map<string, { axis: number; scores: Float64Array; count: number }>();
  const indices = Array.from({ length: Math.min(samples, data.size) }, (_, i) =>
    Math.floor((i * data.size) / Math.min(samples, data.size)),
  );
  try {
    for await (const { feeds } of bind(data, session.inputs, { batch, indices, signal })) {
      const found = await session.run(feeds, { outputs: [...watched.axes.keys()], signal });
      for (const [name, axis] of watched.axes) {
        const { dims } = found[name]!;
        const values = found[name]!.as('float32');
        const channels = dims[axis]!;
        const inner = sizeOf(dims.slice(axis + 1));
        const sum = sums.get(name) ?? { axis, scores: new Float64Array(channels), count: 0 };
        for (let i = 0; i < values.length; i++)
          sum.scores[Math.floor(i / inner) % channels]! += Math.abs(values[i]!);
        sum.count += values.length / channels;
        sums.set(name, sum);
      }
    }
  } finally {
    await session.dispose();
  }
  for (const { scores, count } of sums.values()) for (let i = 0; i < scores.length; i++) scores[i]! /= count;
  return valueScores(groups, sums);
}

/** The model with what its producers give as outputs too, and the axis of channels of each. */
function copyWithProducers(model: Model, { axes }: PruneGroups): { model: Model; axes: Map<string, number> } {
  const copy = cloneModel(model);
  const { graph } = copy;
  const { producers } = indexGraph(graph);
  const given = new Map<string, number>();
  for (const [name, units] of axes) {
    const axis = units.findIndex((one) => one !== undefined);
    const maker = producers.get(name);
    if (axis < 0 || maker === undefined || !/^(Conv|ConvTranspose|Gemm|MatMul|Add|Relu)$/.test(maker.op))
      continue;
    given.set(name, axis);
    if (graph.outputs.some((output) => output.name === name)) continue;
    graph.outputs.push({ name, type: { kind: 'unknown' } });
  }
  return { model: copy, axes: given };
}
