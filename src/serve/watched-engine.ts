import { batchAxes } from '../staged/index.ts';
import type { Engine, Observer } from './ports.ts';

/** Tells the observer of every run: for models whose requests are not batched, each is a batch. */
export function watchedEngine(
  engine: Engine,
  of: { readonly model: string; readonly version: string },
  observer: Observer,
): Engine {
  const [first] = Object.entries(batchAxes(engine.inputs).axes);
  return {
    inputs: engine.inputs,
    outputs: engine.outputs,
    metadata: engine.metadata,
    lanes: engine.lanes,
    async run(feeds, options) {
      const from = performance.now();
      const computed = await engine.run(feeds, options);
      const { computeMs, cpuSeconds } = computed;
      const size = first === undefined ? 1 : (feeds[first[0]]?.dims[first[1]] ?? 1);
      const queueMs = Math.max(0, performance.now() - from - computeMs);
      observer.batch({ ...of, size, computeMs, cpuSeconds, queueMs });
      return computed;
    },
    dispose: () => engine.dispose(),
  };
}
