import { availableParallelism } from 'node:os';
import { cpuQuota } from './cgroup.ts';

/** Logical cores that this process may use: affinity mask and control groups respected; at least 1. */
export function availableCores(): number {
  const quota = cpuQuota() ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota)));
}
