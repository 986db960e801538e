import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** The first line of a small file, or undefined where it is missing or not readable. */
function lineOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').split('\n', 1)[0]?.trim();
  } catch {
    return undefined;
  }
}

/**
 * The CPU quota of the control group in cores (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`), or undefined without one.
 * `root` is where the hierarchy is mounted.
 */
export function cpuQuota(root = '/sys/fs/cgroup'): number | undefined {
  const v2 = lineOf(`${root}/cpu.max`)?.split(/\s+/);
  const [quota, period] = v2 ?? [
    lineOf(`${root}/cpu/cpu.cfs_quota_us`),
    lineOf(`${root}/cpu/cpu.cfs_period_us`),
  ];
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

/** Logical cores that this process may use: affinity mask and control group respected; at least 1. */
export function availableCores(): number {
  const quota = cpuQuota() ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota)));
}
