import type { ErrorRow } from './row.ts';

/** What measuring can end with. */
export const MEASURE_ERRORS = {
  METRIC_UNKNOWN: { what: 'There is no such metric', hint: 'See modicum eval --help.', exit: 2 },
  METRIC_UNFIT: {
    what: 'The metric does not fit the outputs of the model',
    hint: 'Choose another metric.',
    exit: 2,
  },
  PRICE_UNKNOWN: {
    what: 'There is no such machine or region in the price list',
    hint: 'Give --price-per-hour.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
