import type { ErrorRow } from './row.ts';

/** What data can have wrong. */
export const DATA_ERRORS = {
  DATA_FORMAT_UNKNOWN: {
    what: 'The form of the data is not known',
    hint: 'See docs/data.md for the kinds that are read.',
    exit: 2,
  },
  DATA_DAMAGED: { what: 'The data cannot be decoded', hint: 'Write or download it again.', exit: 2 },
  DATA_EMPTY: { what: 'The data has no samples', hint: 'Check the path and the layout.', exit: 2 },
  DATA_NAMES_MISMATCH: {
    what: 'The data does not name the inputs of the model',
    hint: 'Name the arrays as the inputs.',
    exit: 2,
  },
  DATA_SHAPE_MISMATCH: {
    what: 'The shape of the data does not fit the model',
    hint: 'First axis: the samples.',
    exit: 2,
  },
  DATA_DTYPE_MISMATCH: {
    what: 'The dtype of the data does not fit the model',
    hint: 'Convert the data.',
    exit: 2,
  },
  DATA_NOT_FINITE: { what: 'The data holds NaN or infinity', hint: 'Clean the data.', exit: 2 },
  DATA_NO_LABELS: {
    what: 'The metric needs labels and the data has none',
    hint: 'Add an array named labels.',
    exit: 2,
  },
  DATA_TOO_FEW: { what: 'There are too few samples', hint: 'Give more data.', exit: 2 },
} as const satisfies Record<string, ErrorRow>;
