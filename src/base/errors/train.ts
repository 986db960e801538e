import type { ErrorRow } from './row.ts';

/** What training can end with. */
export const TRAIN_ERRORS = {
  TRAIN_NO_GRADIENT: {
    what: 'Operators without a gradient stand between the weights and the loss',
    hint: 'Freeze the weights before them (--freeze), or export the model with other operators; docs/gradients.md lists those that train.',
    exit: 2,
  },
  TRAIN_SHAPE_UNKNOWN: {
    what: 'The shape of a value is not settled by the shapes of the inputs',
    hint: 'Training runs at fixed shapes; export the model without shapes computed from data.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
