import type { ErrorRow } from './row.ts';

/** What a pass can end with. */
export const TRANSFORM_ERRORS = {
  PASS_FAILED: { what: 'A pass failed', hint: 'The message names the passes already run.', exit: 2 },
  NOTHING_TO_QUANTIZE: {
    what: 'Nothing in the model can be quantized this way',
    hint: 'Try another method.',
    exit: 2,
  },
  OPSET_TOO_OLD: {
    what: 'The opset of the model is too old for this pass',
    hint: 'Run the upgrade-opset pass before it.',
    exit: 2,
  },
  OPSET_NOT_CONVERTED: {
    what: 'The model cannot be said in the opset that is needed',
    hint: 'Export it for a newer opset.',
    exit: 2,
  },
  CALIBRATION_NEEDED: { what: 'This pass looks at data, and none is given', hint: 'Give --data.', exit: 2 },
  NOTHING_TO_PRUNE: {
    what: 'Nothing in the model can be pruned this way',
    hint: 'Run the clean pass before it; printGroups tells what keeps each channel.',
    exit: 2,
  },
  PRUNE_CUT_INVALID: {
    what: 'These units cannot be cut',
    hint: 'Take the groups of this very model (pruneGroups), and leave at least one unit of each.',
    exit: 2,
  },
  PRUNE_OPTION_INVALID: {
    what: 'A pruning option makes no sense',
    hint: 'See modicum prune --help.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
