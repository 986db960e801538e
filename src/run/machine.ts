import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { cpus, freemem, loadavg, release, totalmem } from 'node:os';
import { VERSION } from '../base/index.ts';
import { cpuQuota, memoryLimit } from './cgroup.ts';
import { availableCores } from './cores.ts';
import { cpuFeatures, physicalCoresOf, readCpuinfo, sysctl } from './cpu-features.ts';

/** The machine that a number was measured on: the basis of `modicum doctor` and of every record. */
export interface Machine {
  /** Eight hex digits: equal for equal hardware, limits and versions; not the identity of a host. */
  readonly id: string;
  readonly cpu: string;
  /** Undefined where the operating system does not say. */
  readonly physicalCores: number | undefined;
  /** Logical cores of the hardware. */
  readonly logicalCores: number;
  /** Logical cores that this process may use: affinity and control group respected. */
  readonly availableCores: number;
  /** The control group's CPU quota in cores, where there is one. */
  readonly cpuQuota: number | undefined;
  /** Bytes that this process may use: the control group's limit where it is lower than what is built in. */
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  /** Such as avx2, avx512_vnni, amx_int8, neon_dotprod; sorted. */
  readonly features: readonly string[];
  readonly os: string;
  readonly arch: string;
  readonly versions: { readonly node: string; readonly onnxruntime: string; readonly modicum: string };
  /** Mean number of runnable tasks over the last minute; 0 on Windows, which does not count them. */
  readonly loadAverage: number;
}

/** Describes this machine. Never throws. */
export function describeMachine(): Machine {
  const cpuinfo = readCpuinfo();
  const logical = cpus();
  const memoryBytes = Math.min(totalmem(), memoryLimit() ?? Number.POSITIVE_INFINITY);
  const fixed = {
    cpu: logical[0]?.model.trim() || modelOf(cpuinfo),
    physicalCores: physicalCores(cpuinfo),
    logicalCores: logical.length || availableCores(),
    availableCores: availableCores(),
    cpuQuota: cpuQuota(),
    memoryBytes,
    features: cpuFeatures(),
    os: `${process.platform} ${release()}`,
    arch: process.arch,
    versions: {
      node: process.versions.node,
      onnxruntime: versionOf('onnxruntime-node/package.json'),
      modicum: VERSION,
    },
  };
  // Kernels differ by some kilobytes in what they call all memory.
  const identity = { ...fixed, memoryBytes: Math.round(memoryBytes / 2 ** 28) };
  const id = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 8);
  return {
    id,
    ...fixed,
    freeMemoryBytes: Math.min(freemem(), memoryBytes),
    loadAverage: loadavg()[0] ?? 0,
  };
}

function modelOf(cpuinfo: string): string {
  return (
    /^(?:model name|Model|Hardware)\s*:\s*(.+)$/m.exec(cpuinfo)?.[1]?.trim() ?? `unknown ${process.arch} CPU`
  );
}

function physicalCores(cpuinfo: string): number | undefined {
  if (process.platform !== 'darwin') return physicalCoresOf(cpuinfo);
  return Number(/:\s*(\d+)/.exec(sysctl(['hw.physicalcpu']))?.[1]) || undefined;
}

function versionOf(name: string): string {
  const found: unknown = createRequire(import.meta.url)(name);
  return (found as { version?: string }).version ?? 'unknown';
}
