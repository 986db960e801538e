import { cached } from '../cached.ts';
import { asFloats, type ExampleTask } from '../task.ts';
import { HEIGHT, WIDTH } from './canvas.ts';
import { pictures } from './generate.ts';
import { OBSTACLES } from './scene.ts';

const SAMPLES = 20_000;
/** Of validation and of test. */
const HELD_OUT = 3000;

/** Pictures of a seed, from 0 to 1, made once and kept. */
async function made(name: string, seed: number, samples: number) {
  const raw = await cached(`driving-${seed}-${samples}`, samples, (count) => pictures(name, seed, count));
  return asFloats({ ...raw, name }, 'image', 1 / 255);
}

/** How to turn the wheel, and what stands in the way. */
export const driving: ExampleTask = {
  name: 'driving',
  summary: 'steering angle and obstacle in a picture of the road',
  inputs: [{ name: 'image', dtype: 'float32', dims: [3, HEIGHT, WIDTH], kind: 'image' }],
  outputs: [
    {
      name: 'obstacle',
      dims: [OBSTACLES.length],
      target: 'labels',
      loss: 'cross-entropy',
      weight: 1,
      metric: 'top1',
      classes: OBSTACLES,
    },
    // Degrees squared are of the order of five, the cross-entropy of the order of one.
    { name: 'steering', dims: [1], target: 'steering', loss: 'mse', weight: 0.3, metric: 'mae' },
  ],
  samples: SAMPLES,
  train: (seed, samples = SAMPLES) => made(`driving (training, seed ${seed})`, 2 + seed, samples),
  validation: () => made('driving (validation)', 0, HELD_OUT),
  test: () => made('driving (test)', 1, HELD_OUT),
};
