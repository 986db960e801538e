import { bind, type Dataset } from '../../data/index.ts';
import type { Model, Tensor } from '../../graph/index.ts';
import { openSession } from '../../run/index.ts';

/** Samples that can be sent through models, as often as one likes and each time the same. */
export interface Capture {
  readonly samples: number;
  /** Sends all samples through a model, in batches, and shows what it gives for each. */
  run(model: Model, see: (outputs: Readonly<Record<string, Tensor>>, samples: number) => void): Promise<void>;
}

export interface CaptureOptions {
  readonly batch?: number;
  /** The first so many samples. Default: all. */
  readonly samples?: number;
  readonly signal?: AbortSignal;
}

/** The samples of a dataset. Runs throw what opening a session, binding and running throw. */
export function captureOf(dataset: Dataset, options: CaptureOptions = {}): Capture {
  const samples = Math.min(dataset.size, options.samples ?? dataset.size);
  const indices = Array.from({ length: samples }, (_, i) => i);
  const { batch = 32, signal } = options;
  return {
    samples,
    async run(model, see) {
      const session = await openSession(model);
      try {
        for await (const part of bind(dataset, session.inputs, { batch, indices, signal })) {
          see(await session.run(part.feeds, { signal }), part.indices.length);
        }
      } finally {
        await session.dispose();
      }
    },
  };
}
