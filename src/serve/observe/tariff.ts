import { priceOf, wattsPerCore } from '../../measure/index.ts';
import { CpuShareOfPower } from './power.ts';

export interface TariffOptions {
  /** USD per hour of the whole machine, or the name of a machine in the price list. Default: no dollars are told. */
  readonly price?: number | string;
  /** Watts of one busy core, where the user knows them: beats counters and the table. */
  readonly wattsPerCore?: number;
  /** Cores that the price pays for. */
  readonly cores: number;
  /** Name of the processor, for the table of powers. */
  readonly cpu: string;
  /** Where the energy counters lie. Default: /sys/class/powercap. */
  readonly powercap?: string;
}

export type EnergyMethod = 'rapl-share' | 'watts-declared' | 'watts-table' | 'unknown';

/** What CPU time costs on this machine. */
export interface Tariff {
  readonly method: EnergyMethod;
  /** A sentence: where the watts come from. */
  readonly origin: string;
  /** W of one busy core, now; undefined where nothing is known. */
  watts(): number | undefined;
  /** USD an hour of all cores. */
  readonly perHour: number | undefined;
  readonly priceOrigin: string | undefined;
  /** J of this many CPU seconds. */
  joules(cpuSeconds: number): number | undefined;
  /** USD of this many CPU seconds: their share of what the cores offer in an hour. What idles is not in it. */
  dollars(cpuSeconds: number): number | undefined;
  close(): void;
}

/**
 * Energy by the best means there is: declared watts, else the machine's counters shared out by CPU time, else the table
 * of powers, else none. Throws PRICE_UNKNOWN.
 */
export async function openTariff(options: TariffOptions): Promise<Tariff> {
  const { price, cores, cpu, wattsPerCore: declared } = options;
  const row = typeof price === 'string' ? priceOf(price) : undefined;
  const perHour = row?.perHour ?? (price as number | undefined);
  const counter = declared === undefined ? await CpuShareOfPower.open(options.powercap) : undefined;
  const table = wattsPerCore(cpu);
  const energy = energyOf(declared, counter, table);
  return {
    ...energy,
    perHour,
    priceOrigin:
      row === undefined
        ? perHour === undefined
          ? undefined
          : 'a price given'
        : `${row.name} (${row.provider} ${row.region}, ${row.asOf}; ${row.source})`,
    joules: (cpuSeconds) => {
      const watts = energy.watts();
      return watts === undefined ? undefined : cpuSeconds * watts;
    },
    dollars: (cpuSeconds) => (perHour === undefined ? undefined : (perHour / 3600) * (cpuSeconds / cores)),
    close: () => counter?.close(),
  };
}

function energyOf(
  declared: number | undefined,
  counter: CpuShareOfPower | undefined,
  table: ReturnType<typeof wattsPerCore>,
): Pick<Tariff, 'method' | 'origin' | 'watts'> {
  if (declared !== undefined) {
    return {
      method: 'watts-declared',
      origin: `CPU seconds x ${declared} W per core, as declared`,
      watts: () => declared,
    };
  }
  if (counter !== undefined) {
    return {
      method: 'rapl-share',
      origin: `${counter.origin}, shared out by CPU time`,
      // Before the first busy second the counter has no share to tell.
      watts: () => counter.wattsPerBusyCore() ?? table?.watts,
    };
  }
  if (table !== undefined) {
    return {
      method: 'watts-table',
      origin: `CPU seconds x ${Number(table.watts.toPrecision(3))} W per core (${Number(table.low.toPrecision(3))} to ${Number(table.high.toPrecision(3))}), ${table.origin}`,
      watts: () => table.watts,
    };
  }
  return {
    method: 'unknown',
    origin: 'no energy counter, and the processor is in no table: declare the watts per core',
    watts: () => undefined,
  };
}
