import type { ErrorRow } from './row.ts';

/** What compiling a model into one file can end with. */
export const EDGE_ERRORS = {
  EDGE_UNSUPPORTED: {
    what: 'The edge compiler has no kernel for part of this model',
    hint: 'modicum edge MODEL --why-not lists all that is missing; serve the model with ONNX Runtime instead.',
    exit: 2,
  },
  EDGE_DYNAMIC_SHAPE: {
    what: 'The edge compiler needs shapes that are known',
    hint: 'Give the shape of the input: --shape input=1x3x96x96.',
    exit: 2,
  },
  EDGE_TOO_LARGE: {
    what: 'The compiled model is larger than allowed',
    hint: 'Quantize or prune it first (modicum optimize), or raise --max-bytes.',
    exit: 2,
  },
  EDGE_INVALID: {
    what: 'This is no module that Modicum compiled',
    hint: 'Compile the model again with modicum edge.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
