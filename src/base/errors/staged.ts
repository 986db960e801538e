import type { ErrorRow } from './row.ts';

/** What models in pieces can end with. */
export const STAGED_ERRORS = {
  STAGES_INVALID: {
    what: 'The stages do not fit together',
    hint: 'Each stage reads inputs of the whole model or what earlier stages carry, and answers every output where it may exit.',
    exit: 2,
  },
  SPLIT_REFUSED: {
    what: 'The model cannot be cut there',
    hint: 'Cut at tensors that have the samples as their first axis, such as the outputs of blocks.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
