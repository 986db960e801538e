export type { Batch, Dataset, Field, ReadOptions } from './dataset.ts';
