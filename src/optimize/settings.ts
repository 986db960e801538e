import { defaultRunSettings, type RunSettings } from '../bundle/index.ts';

export { defaultRunSettings, type RunSettings, sessionSettings } from '../bundle/index.ts';

/** Settings in words. */
export function settingsInWords(settings: RunSettings): string {
  const { batch, threads, instances, level, provider } = settings;
  const rest = `${level === 'all' ? '' : `, ${level} optimizations`}${provider === 'cpu' ? '' : `, ${provider}`}`;
  return `batch ${batch}, ${instances} x ${threads} thread${threads === 1 ? '' : 's'}${rest}`;
}

/**
 * The settings worth trying for throughput: one instance over all cores, one a core, and what lies between; batches in
 * steps of four up to `largestBatch`.
 */
export function throughputSettings(cores: number, largestBatch: number): RunSettings[] {
  const splits = new Set<number>([1, cores]);
  for (let instances = 2; instances < cores; instances *= 2)
    if (cores % instances === 0) splits.add(instances);
  const batches = [1, 4, 16, 64, 256].filter((batch) => batch <= largestBatch);
  return [...splits].flatMap((instances) =>
    batches.map((batch) => ({ ...defaultRunSettings(cores), batch, instances, threads: cores / instances })),
  );
}

/** The settings worth trying for the latency of a single call: one instance, every power of two of threads, all cores. */
export function latencySettings(cores: number): RunSettings[] {
  const threads = new Set<number>([cores]);
  for (let n = 1; n < cores; n *= 2) threads.add(n);
  return [...threads].sort((a, b) => a - b).map((n) => ({ ...defaultRunSettings(cores), threads: n }));
}
