import { driving } from './driving/task.ts';
import { keywordSpotter } from './keyword-spotter/task.ts';
import { recommender } from './recommender/task.ts';
import type { ExampleTask } from './task.ts';

/** The built-in examples, for scripts that do the same with each. */
export const TASKS: readonly ExampleTask[] = [keywordSpotter, recommender, driving];
