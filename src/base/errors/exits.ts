import type { ErrorRow } from './row.ts';

/** What early exits can end with. */
export const EXITS_ERRORS = {
  EXITS_UNFIT: {
    what: 'The model cannot be given early exits',
    hint: 'Exits decide by the scores of classes: name the output that holds them (--output). Every output needs the samples on its first axis and known sizes behind it.',
    exit: 2,
  },
  EXITS_NO_PLACE: {
    what: 'There is no place to exit at',
    hint: 'An exit needs a float32 value between the layers, with the samples on its first axis, behind which work is left.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
