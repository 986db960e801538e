import { throwIfAborted } from '../base/index.ts';
import { describeMachine } from '../run/index.ts';
import { wattsPerCore } from './cpu-power.ts';
import { GpuPowerMeter } from './gpu-power.ts';
import { thisMachine } from './machine.ts';
import { findPowercap, type Powercap, PowercapMeter } from './powercap.ts';
import type { Interval, Measurement } from './record.ts';
import { recorder, type Settings } from './recorder.ts';
import { medianOf } from './windows.ts';

export interface EnergyOptions {
  /** Inferences in one call of the work; or the work returns their number. */
  readonly samples?: number;
  /** Calls of the work, each measured by itself. Default 5. */
  readonly repeats?: number;
  /** Watts of one busy hardware thread, where the user knows them: beats the table. */
  readonly wattsPerCore?: number;
  /** True where the work runs on an NVIDIA GPU: its power is sampled and added. */
  readonly gpu?: boolean;
  /** Where the counters lie. Default: /sys/class/powercap. */
  readonly powercap?: string;
  /** Name of the processor, for the table. Default: this one's. */
  readonly cpu?: string;
  readonly settings?: Settings;
  readonly machine?: string;
  readonly signal?: AbortSignal;
}

/** One call of the work. */
interface Draw {
  readonly samples: number;
  readonly cpuSeconds: number;
  readonly counterJoules: number | undefined;
  readonly gpuJoules: number | undefined;
}

/**
 * Joules per inference, by the best means that the machine has: the processor's energy counters (RAPL through powercap);
 * else CPU seconds x watts per core as declared, else from a table of TDPs with +-50 %; else no energy, only CPU seconds.
 * With `gpu`, nvidia-smi's power on top. Always gives cpu.per-inference (s); gives energy.per-inference (J) where there
 * is a way, and energy.unknown (CPU seconds again, with the reason) where there is none.
 * The work must run for a second or so a call: counters move every millisecond, GPU power is read ten times a second.
 */
export async function measureEnergy(
  work: () => Promise<number | undefined>,
  options: EnergyOptions = {},
): Promise<Measurement[]> {
  const { repeats = 5, signal } = options;
  const powercap = await findPowercap(options.powercap);
  const gpu = options.gpu ? new GpuPowerMeter() : undefined;
  const gpuTrouble = await gpu?.start();
  const draws: Draw[] = [];
  try {
    for (let i = 0; i < repeats; i++) {
      throwIfAborted(signal);
      draws.push(
        await drawOf(work, options.samples ?? 1, powercap, gpuTrouble === undefined ? gpu : undefined),
      );
    }
  } finally {
    gpu?.stop();
  }
  return describeDraws(draws, powercap, gpuTrouble, options);
}

async function drawOf(
  work: () => Promise<number | undefined>,
  given: number,
  powercap: Powercap,
  gpu: GpuPowerMeter | undefined,
): Promise<Draw> {
  const meter = powercap.zones.length > 0 ? new PowercapMeter(powercap.zones) : undefined;
  await meter?.start();
  const from = performance.now();
  const before = process.cpuUsage();
  let samples: number | undefined;
  let counterJoules: number | undefined;
  try {
    samples = await work();
  } finally {
    counterJoules = await meter?.stop();
  }
  const { user, system } = process.cpuUsage(before);
  const gpuJoules = gpu?.joules(from, performance.now());
  return { samples: samples ?? given, cpuSeconds: (user + system) / 1e6, counterJoules, gpuJoules };
}

function describeDraws(
  draws: readonly Draw[],
  powercap: Powercap,
  gpuTrouble: string | undefined,
  options: EnergyOptions,
): Measurement[] {
  const record = recorder(options.machine ?? thisMachine(), options.settings);
  const n = draws.length;
  const cpu = spread(draws.map(({ cpuSeconds, samples }) => cpuSeconds / samples));
  const cpuRecord = record({
    what: 'cpu.per-inference',
    ...cpu,
    unit: 's',
    how: 'measured',
    method: `CPU time of the process, all threads, by inferences: median of ${n} calls.`,
    n,
  });
  const gpuPerSample = draws.map(({ gpuJoules, samples }) => (gpuJoules ?? 0) / samples);
  const gpuPart = options.gpu
    ? gpuTrouble === undefined
      ? '; plus the power of the NVIDIA GPUs, sampled every 100 ms by nvidia-smi'
      : `; without the GPU: ${gpuTrouble}`
    : '';
  if (powercap.zones.length > 0) {
    const joules = draws.map((draw, i) => (draw.counterJoules ?? 0) / draw.samples + gpuPerSample[i]!);
    const names = powercap.zones.map(({ name }) => name).join(' + ');
    return [
      record({
        what: 'energy.per-inference',
        ...spread(joules),
        unit: 'J',
        how: 'measured',
        method: `RAPL counters (${names}) by inferences: median of ${n} calls; gross: the idle draw and other processes are in it, disks, fans and power supply are not${gpuPart}.`,
        n,
      }),
      cpuRecord,
    ];
  }
  const declared = options.wattsPerCore;
  const watts =
    declared === undefined
      ? wattsPerCore(options.cpu ?? describeMachine().cpu)
      : { watts: declared, low: declared, high: declared, origin: 'declared watts per core' };
  const gpuJoules = spread(gpuPerSample);
  if (watts === undefined) {
    return [
      record({
        what: 'energy.unknown',
        ...cpu,
        unit: 's',
        how: 'measured',
        method: `Energy unknown, CPU seconds only: ${powercap.why}, and the processor is in no table; declare its watts per core${gpuPart}.`,
        n,
      }),
      cpuRecord,
    ];
  }
  const interval: Interval = {
    low: (cpu.interval?.low ?? cpu.value) * watts.low + (gpuJoules.interval?.low ?? gpuJoules.value),
    high: (cpu.interval?.high ?? cpu.value) * watts.high + (gpuJoules.interval?.high ?? gpuJoules.value),
    level: cpu.interval?.level ?? 1,
    method: `bounds of the CPU time (${n} calls) times bounds of the watts`,
  };
  return [
    record({
      what: 'energy.per-inference',
      value: cpu.value * watts.watts + gpuJoules.value,
      unit: 'J',
      interval,
      how: 'estimated',
      method: `CPU seconds x ${Number(watts.watts.toPrecision(2))} W per core, ${watts.origin}; no counter: ${powercap.why}. Good for comparing variants on one machine, where the watts cancel${gpuPart}.`,
      n,
      settings: { wattsPerCore: watts.watts },
    }),
    cpuRecord,
  ];
}

/** Median of a few repeats, and their range, which holds the median of what they come from at 1 - 2^(1-n). */
export function spread(values: readonly number[]): { value: number; interval: Interval | undefined } {
  const value = medianOf(values);
  if (values.length < 2) return { value, interval: undefined };
  const level = 1 - 2 ** (1 - values.length);
  return {
    value,
    interval: {
      low: Math.min(...values),
      high: Math.max(...values),
      level,
      method: `range of ${values.length} repeats`,
    },
  };
}
