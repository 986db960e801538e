/** Thermal design power of a processor, by the threads that share it. */
export interface CpuPower {
  /** As it stands in the model name that the operating system tells. */
  readonly model: RegExp;
  readonly name: string;
  readonly family: string;
  readonly tdpWatts: number;
  /** Hardware threads of a socket: CPU seconds are counted by thread. */
  readonly threads: number;
}

/** Where the table comes from and when. */
export const CPU_POWER_SOURCE =
  "vendors' product pages (https://ark.intel.com, https://www.amd.com/en/products/specifications/processors.html) as collected in CodeCarbon's cpu_power.csv, 2026-08";

const row = (name: string, family: string, tdpWatts: number, threads: number): CpuPower => ({
  model: new RegExp(`${name.replace(/[+]/g, '\\$&')}(?![0-9A-Z+])`, 'i'),
  name,
  family,
  tdpWatts,
  threads,
});

/** Common processors. A family's rows also stand for its members that are not listed. */
export const CPU_POWER: readonly CpuPower[] = [
  row('EPYC 7551', 'AMD EPYC', 180, 64),
  row('EPYC 7713', 'AMD EPYC', 225, 128),
  row('EPYC 7742', 'AMD EPYC', 225, 128),
  row('EPYC 7763', 'AMD EPYC', 280, 128),
  row('EPYC 9654', 'AMD EPYC', 360, 192),
  row('EPYC 9755', 'AMD EPYC', 500, 256),
  row('EPYC 9965', 'AMD EPYC', 500, 384),
  row('Gold 6248', 'Intel Xeon', 150, 40),
  row('Platinum 8280', 'Intel Xeon', 205, 56),
  row('Platinum 8380', 'Intel Xeon', 270, 80),
  row('Platinum 8480+', 'Intel Xeon', 350, 112),
  row('Platinum 8592+', 'Intel Xeon', 350, 128),
  row('Xeon 6980P', 'Intel Xeon', 500, 256),
  row('i5-8250U', 'Intel Core', 15, 8),
  row('i7-1165G7', 'Intel Core', 28, 8),
  row('i9-13900K', 'Intel Core', 125, 32),
  row('Ryzen 7 5800X', 'AMD Ryzen', 105, 16),
  row('Ryzen 7 7840U', 'AMD Ryzen', 28, 16),
  row('Ryzen 9 5950X', 'AMD Ryzen', 105, 32),
  row('Ryzen 9 7950X', 'AMD Ryzen', 170, 32),
];

/**
 * How far the power of a busy processor lies from its TDP: full-load power of five processors ran from 51 % to 138 % of
 * TDP, and formulas from load and TDP erred by 38 to 47 % on average (computed from CodeCarbon's RAPL-against-load
 * measurements). So nothing made from TDP is better than about half.
 */
export const TDP_ERROR = 0.5;

/** Watts of one busy hardware thread, with bounds. */
export interface WattsPerCore {
  readonly watts: number;
  readonly low: number;
  readonly high: number;
  /** Where it comes from. */
  readonly origin: string;
}

/** From the table: the processor's own row, else the rows of its family; undefined for a processor of no known family. */
export function wattsPerCore(cpu: string): WattsPerCore | undefined {
  const own = CPU_POWER.find(({ model }) => model.test(cpu));
  if (own) {
    const watts = own.tdpWatts / own.threads;
    return {
      watts,
      low: watts * (1 - TDP_ERROR),
      high: watts * (1 + TDP_ERROR),
      origin: `TDP of ${own.name} (${own.tdpWatts} W over ${own.threads} threads; ${CPU_POWER_SOURCE}), +-${TDP_ERROR * 100} %`,
    };
  }
  const plain = cpu.replace(/\((?:R|TM)\)/gi, '').replace(/\s+/g, ' ');
  const kin = CPU_POWER.filter(({ family }) => plain.toLowerCase().includes(family.toLowerCase()));
  if (kin.length === 0) return undefined;
  const each = kin.map(({ tdpWatts, threads }) => tdpWatts / threads);
  const watts = each.reduce((sum, one) => sum + one, 0) / each.length;
  return {
    watts,
    low: Math.min(...each) * (1 - TDP_ERROR),
    high: Math.max(...each) * (1 + TDP_ERROR),
    origin: `mean TDP per thread of ${kin.length} ${kin[0]!.family} processors, the model not being told (${CPU_POWER_SOURCE}), +-${TDP_ERROR * 100} % around the lowest and highest`,
  };
}
