import type { ErrorRow } from './row.ts';

/** What the search can end with. */
export const OPTIMIZE_ERRORS = {
  GOAL_NOT_MET: {
    what: 'Nothing meets the goal',
    hint: 'Loosen the goal, or give more data or time.',
    exit: 1,
  },
  BUNDLE_INVALID: {
    what: 'The bundle cannot be read',
    hint: 'Write it again with modicum optimize.',
    exit: 2,
  },
  OPTIMIZE_SPACE_INVALID: {
    what: 'The space to search is none',
    hint: 'Give every dimension a name of its own, values, and conditions on earlier dimensions only.',
    exit: 2,
  },
  OPTIMIZE_JOURNAL_INVALID: {
    what: 'The search cannot be resumed',
    hint: 'Run the same command as before, or leave out --resume to start anew.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
