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
  TRAIN_NO_WEIGHTS: {
    what: 'The model has no weights to train',
    hint: 'Weights must be float32 initializers that multiply, bias or are looked up, and not all of them frozen.',
    exit: 2,
  },
  TRAIN_TARGET_MISMATCH: {
    what: 'What the model is to learn does not fit its output',
    hint: 'See --loss: an output can be paired with the labels, an array of the data, or an output of the teacher.',
    exit: 2,
  },
  TRAIN_LABELS_RANGE: {
    what: 'A label is no class of the output',
    hint: 'Classes count from 0 to the size of the output less 1; check which output and which labels are paired.',
    exit: 2,
  },
  TRAIN_NOT_FINITE: {
    what: 'Training went astray: a value is NaN or infinite',
    hint: 'Try a lower --rate (a third), --clip 1, a longer --warm-up, or look for extreme values in the data.',
    exit: 2,
  },
  CHECKPOINT_MISMATCH: {
    what: 'The checkpoint is of another run',
    hint: 'Give the model, data and options it was started with, or another --checkpoint; remove the file to start over.',
    exit: 2,
  },
  CHECKPOINT_INVALID: {
    what: 'The checkpoint cannot be read',
    hint: 'Remove it to start over.',
    exit: 2,
  },
  ARCHITECTURE_UNFIT: {
    what: 'An architecture does not fit the task',
    hint: 'Choose another architecture, or declare inputs and outputs in shapes that it reads.',
    exit: 2,
  },
  STUDENT_IMPOSSIBLE: {
    what: 'No such student can be made of the teacher',
    hint: 'Choose another kind of student: narrower, one of the built-in architectures, or a file of your own.',
    exit: 2,
  },
  TRAINING_NEEDED: {
    what: 'This needs samples to learn from',
    hint: 'Give them with --train-data (optimize) or --data.',
    exit: 2,
  },
  PRUNE_OUT_OF_REACH: {
    what: 'No cut is fast enough',
    hint: 'Ask for less (--latency), let more go (--max-ratio), or measure at the batch that it will run at (--at-batch).',
    exit: 1,
  },
} as const satisfies Record<string, ErrorRow>;
