import type { ExampleTask, TaskInput } from '../task.ts';
import { rankings, testInteractions, trainingInteractions, validationInteractions } from './generate.ts';
import { DEVICES, GENRES, ITEMS, SEGMENTS, USERS } from './world.ts';

const category = (name: string, categories: number): TaskInput => ({
  name,
  dtype: 'int64',
  dims: [],
  kind: 'category',
  categories,
});

/** The chance that a person clicks an item. */
export const recommender: ExampleTask = {
  name: 'recommender',
  summary: 'will this person click this item, now and here',
  inputs: [
    category('user', USERS),
    category('item', ITEMS),
    category('segment', SEGMENTS.length),
    category('genre', GENRES.length),
    category('device', DEVICES.length),
    category('hour', 24),
    { name: 'dense', dtype: 'float32', dims: [4], kind: 'numbers' },
  ],
  outputs: [
    { name: 'click', dims: [1], target: 'labels', loss: 'binary-cross-entropy', weight: 1, metric: 'auc' },
  ],
  samples: 400_000,
  train: async (seed, samples = 400_000) => trainingInteractions(seed, samples),
  validation: async () => validationInteractions(),
  test: async () => testInteractions(),
  rankings: async () => rankings(),
};
