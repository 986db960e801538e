export { openNpy, openNpz } from './arrays/numpy.ts';
export { type StreamedArray, type WriteNpzOptions, writeNpz } from './arrays/write-npz.ts';
export { type BindOptions, bind } from './bind.ts';
export type { Batch, Dataset, Field, ReadOptions } from './dataset.ts';
export { fingerprint } from './fingerprint.ts';
export { type InMemoryOptions, inMemory } from './memory.ts';
export { type BatchPlan, type Feed, type InputPort, type PlanOptions, planBatch } from './plan.ts';
export { type Split, type SplitOptions, split } from './split.ts';
export { concatenate, partOf, subset } from './subset.ts';
