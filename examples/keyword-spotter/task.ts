import { cached } from '../cached.ts';
import type { ExampleTask } from '../task.ts';
import { HELD_OUT, testClips, trainingClips, validationClips } from './generate.ts';
import { CLASSES } from './words.ts';

const SAMPLES = 36_000;

/** Which of ten words is said in a second of sound, or silence, or something else. */
export const keywordSpotter: ExampleTask = {
  name: 'keyword-spotter',
  summary: 'which of ten words is said in a second of sound',
  inputs: [{ name: 'mfcc', dtype: 'float32', dims: [1, 49, 10], kind: 'spectrogram' }],
  outputs: [
    {
      name: 'scores',
      dims: [CLASSES.length],
      target: 'labels',
      loss: 'cross-entropy',
      weight: 1,
      metric: 'top1',
      classes: CLASSES,
    },
  ],
  samples: SAMPLES,
  train: (seed, samples = SAMPLES) =>
    cached(`keyword-spotter-${seed}-${samples}`, samples, (count) => trainingClips(seed, count)),
  validation: async () => cached('keyword-spotter-validation', HELD_OUT, validationClips),
  test: async () => cached('keyword-spotter-test', HELD_OUT, testClips),
};
