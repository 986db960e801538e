import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Instruction sets that decide how fast a quantized or half-precision model runs, by the names used in reports. */
const LINUX_FLAGS: Readonly<Record<string, string>> = {
  sse4_1: 'sse4_1',
  avx: 'avx',
  avx2: 'avx2',
  fma: 'fma',
  f16c: 'f16c',
  avx_vnni: 'avx_vnni',
  avx_vnni_int8: 'avx_vnni_int8',
  avx512f: 'avx512f',
  avx512bw: 'avx512bw',
  avx512vl: 'avx512vl',
  avx512_vnni: 'avx512_vnni',
  avx512_bf16: 'avx512_bf16',
  avx512_fp16: 'avx512_fp16',
  amx_tile: 'amx_tile',
  amx_int8: 'amx_int8',
  amx_bf16: 'amx_bf16',
  neon: 'neon',
  asimd: 'neon',
  asimdhp: 'neon_fp16',
  asimddp: 'neon_dotprod',
  i8mm: 'neon_i8mm',
  bf16: 'neon_bf16',
  sve: 'sve',
  sve2: 'sve2',
  sme: 'sme',
};

const MAC_KEYS: Readonly<Record<string, string>> = {
  'hw.optional.AdvSIMD': 'neon',
  'hw.optional.arm.FEAT_FP16': 'neon_fp16',
  'hw.optional.arm.FEAT_DotProd': 'neon_dotprod',
  'hw.optional.arm.FEAT_I8MM': 'neon_i8mm',
  'hw.optional.arm.FEAT_BF16': 'neon_bf16',
  'hw.optional.arm.FEAT_SME': 'sme',
  'hw.optional.avx2_0': 'avx2',
  'hw.optional.avx512f': 'avx512f',
};

/** Instruction sets named in the text of Linux's /proc/cpuinfo, sorted. */
export function featuresOfCpuinfo(text: string): string[] {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? '';
  const found = line.split(/\s+/).flatMap((flag) => LINUX_FLAGS[flag] ?? []);
  return [...new Set(found)].sort();
}

/** Instruction sets named in the output of macOS' `sysctl`, "key: 1" a line, sorted. */
export function featuresOfSysctl(text: string): string[] {
  const found = text.split('\n').flatMap((line) => {
    const [key, value] = line.split(':').map((part) => part.trim());
    return value === '1' ? (MAC_KEYS[key ?? ''] ?? []) : [];
  });
  return [...new Set(found)].sort();
}

/** Physical cores named in /proc/cpuinfo: pairs of package and core, or undefined where it does not say (ARM). */
export function physicalCoresOf(text: string): number | undefined {
  const cores = new Set<string>();
  for (const block of text.split(/\n\s*\n/)) {
    const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
    const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
    if (core !== undefined) cores.add(`${socket ?? 0}/${core}`);
  }
  return cores.size > 0 ? cores.size : undefined;
}

/** What the operating system says of the CPU; empty where there is no way to ask. */
export function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/** `sysctl` of the keys given, as text; empty where it is missing. */
export function sysctl(keys: readonly string[]): string {
  try {
    return execFileSync('sysctl', [...keys], {
      encoding: 'utf8',
      timeout: 2000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (cause) {
    // It prints what it knows and fails for the keys that this CPU lacks.
    const printed = (cause as { stdout?: unknown }).stdout;
    return typeof printed === 'string' ? printed : '';
  }
}

/** Instruction sets of this machine; empty where the operating system does not say. */
export function cpuFeatures(): string[] {
  if (process.platform === 'darwin') return featuresOfSysctl(sysctl(Object.keys(MAC_KEYS)));
  return featuresOfCpuinfo(readCpuinfo());
}
