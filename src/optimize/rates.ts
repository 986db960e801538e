import { PRICES, wattsPerCore } from '../measure/index.ts';
import type { Machine } from '../run/index.ts';

/** What turns speed into money and energy. */
export interface Rates {
  /** USD per hour, or a machine of the price list. */
  readonly price: number | string;
  /** Watts that one busy core draws, with the bounds it is known within; undefined: not known at all. */
  readonly watts?: {
    readonly value: number;
    readonly low: number;
    readonly high: number;
    readonly origin: string;
  };
}

export interface GivenRates {
  readonly price?: number | string;
  readonly wattsPerCore?: number;
}

/** What is given, else the cheapest listed machine with as many cores, and the table of processors. */
export function ratesOf(machine: Machine, given: GivenRates): Rates {
  const own = given.wattsPerCore;
  if (own !== undefined) {
    const watts = { value: own, low: own, high: own, origin: 'given' };
    return { price: given.price ?? nearestPrice(machine.availableCores), watts };
  }
  const found = wattsPerCore(machine.cpu);
  return {
    price: given.price ?? nearestPrice(machine.availableCores),
    watts: found && { value: found.watts, low: found.low, high: found.high, origin: found.origin },
  };
}

function nearestPrice(cores: number): string {
  const plain = PRICES.filter(({ gpu }) => gpu === undefined);
  const enough = plain.filter(({ cpus }) => cpus >= cores);
  const pool = enough.length > 0 ? enough : plain;
  const fewest = Math.min(...pool.map(({ cpus }) => cpus));
  const fitting = pool.filter(({ cpus }) => cpus === fewest).sort((a, b) => a.perHour - b.perHour);
  return fitting[0]!.name;
}
