import { fail } from '../base/index.ts';
import { gridOf } from './grid.ts';
import { priceOf } from './prices.ts';
import type { Interval, Measurement } from './record.ts';

export interface CostOptions {
  /** USD per hour, or the name of a machine in the price list. */
  readonly price: number | string;
  /** Where a price in USD comes from, in a few words. Default: "a price given". */
  readonly origin?: string;
  /** Share of the time that the machine really answers, 0 < u <= 1. Default 0.3. */
  readonly utilisation?: number;
}

/**
 * Dollars per million inferences from a measured throughput (1/s): price per hour / (throughput x 3600) x 1e6, once for
 * a machine that is always busy and once at the stated utilisation. Throws PRICE_UNKNOWN, USAGE_BAD_OPTION.
 */
export function costPerMillion(throughput: Measurement, options: CostOptions): Measurement[] {
  const { price, utilisation = 0.3 } = options;
  if (!(utilisation > 0 && utilisation <= 1)) {
    throw fail('USAGE_BAD_OPTION', `utilisation must lie above 0 and up to 1, not ${utilisation}`);
  }
  if (typeof price === 'number' && !(price > 0 && Number.isFinite(price))) {
    throw fail('USAGE_BAD_OPTION', `the price per hour must be a positive number, not ${price}`);
  }
  const row = typeof price === 'number' ? undefined : priceOf(price);
  const perHour = row ? row.perHour : Number(price);
  const origin = row
    ? `${row.name} (${row.provider} ${row.region}, on demand, Linux, ${row.asOf}, ${row.obtained}; ${row.source}), as if it were this machine`
    : (options.origin ?? 'a price given');
  const shares = utilisation === 1 ? [1] : [1, utilisation];
  return shares.map((share) => {
    const dollars = (perSecond: number) => (perHour / (perSecond * share * 3600)) * 1e6;
    return {
      ...throughput,
      what: 'cost.per-million',
      value: dollars(throughput.value),
      unit: 'USD',
      interval: throughput.interval && {
        ...throughput.interval,
        low: dollars(throughput.interval.high),
        high: dollars(throughput.interval.low),
        method: `${throughput.interval.method} of the throughput`,
      },
      how: 'modelled',
      method: `${perHour} USD per hour of ${origin}, at the throughput measured and a utilisation of ${share * 100} %.`,
      settings: {
        ...throughput.settings,
        utilisation: share,
        pricePerHour: perHour,
        ...(row ? { priceOf: row.name, priceAsOf: row.asOf } : {}),
      },
    };
  });
}

/**
 * Grams of CO2 equivalent per million inferences from the energy of one (J): energy x 1e6 / 3.6e6 x g/kWh. Throws PRICE_UNKNOWN
 * for a region that is not listed.
 */
export function carbonPerMillion(energy: Measurement, region?: string): Measurement {
  const grid = gridOf(region);
  const grams = (joules: number) => (joules / 3.6) * grid.gramsPerKwh;
  const interval: Interval | undefined = energy.interval && {
    ...energy.interval,
    low: grams(energy.interval.low),
    high: grams(energy.interval.high),
    method: `${energy.interval.method} of the energy`,
  };
  return {
    ...energy,
    what: 'co2.per-million',
    value: grams(energy.value),
    unit: 'g',
    interval,
    how: 'modelled',
    method: `Energy per inference x ${grid.gramsPerKwh} g/kWh, the mean of ${grid.year} in: ${grid.name} (${grid.source}); without the making of the machine and the cooling.`,
    settings: { ...energy.settings, region: grid.region, gramsPerKwh: grid.gramsPerKwh },
  };
}
