import type { ErrorRow } from './row.ts';

/** What running a model can end with. */
export const RUN_ERRORS = {
  RUNTIME_REFUSED: {
    what: 'The runtime does not load this model',
    hint: 'Export it for an opset and operators that ONNX Runtime knows; modicum doctor prints the version.',
    exit: 2,
  },
  RUNTIME_FAILED: {
    what: 'The runtime failed on this input',
    hint: 'Check the shapes and values of the input.',
    exit: 2,
  },
  WORKER_CRASHED: {
    what: 'A worker of the runtime crashed',
    hint: 'Look at its cause; the pool starts another.',
    exit: 2,
  },
  SESSION_CLOSED: { what: 'The session is closed', hint: 'Open it again before running.', exit: 2 },
  PROVIDER_UNAVAILABLE: {
    what: 'An execution provider does not start here',
    hint: 'modicum doctor lists those that do.',
    exit: 2,
  },
  FEED_MISMATCH: {
    what: 'A tensor does not fit the input of the model',
    hint: 'Compare with modicum profile.',
    exit: 2,
  },
  REMOTE_FAILED: {
    what: 'A server did not answer as it should',
    hint: 'Check its URL (http://host:port/v2/models/NAME) and that it speaks the Open Inference Protocol v2.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
