import { fail } from '../../base/index.ts';
import type { Dataset } from '../../data/index.ts';
import type { Model } from '../../graph/index.ts';
import {
  activationImportance,
  type PruneGroups,
  type UnitScores,
  unitScores,
  weightImportance,
} from '../../transform/index.ts';
import { prepareForTraining } from '../prepare/prepare.ts';
import { type LossRequest, labelTerms } from '../terms.ts';
import { some } from './samples.ts';
import { type TaylorOptions, taylorScores } from './taylor.ts';

/** Samples that activations are seen on. */
const SAMPLES = 512;

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
    summary: 'what it gives on samples to those who read it',
    needsData: true,
    scores: ({ model, groups, data, options: { signal } }) =>
      activationImportance(model, groups, some(data!, SAMPLES), { signal }),
  },
} as const satisfies Record<string, Importance>;

export type ImportanceName = keyof typeof IMPORTANCES;

/** Throws USAGE_BAD_OPTION, naming those there are. */
export function importanceByName(name: string): Importance {
  if (Object.hasOwn(IMPORTANCES, name)) return IMPORTANCES[name as ImportanceName];
  throw fail('USAGE_BAD_OPTION', `no importance "${name}"; there are ${Object.keys(IMPORTANCES).join(', ')}`);
}
