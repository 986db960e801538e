import type { ErrorRow } from './row.ts';

/** A model file, or the graph in it, that cannot be used. */
export const GRAPH_ERRORS = {
  MODEL_EMPTY: { what: 'The model file is empty', hint: 'Export or download it again.', exit: 2 },
  MODEL_TRUNCATED: {
    what: 'The model file ends too early or is damaged',
    hint: 'Export or download it again.',
    exit: 2,
  },
  MODEL_NOT_ONNX: {
    what: 'The file is not an ONNX model',
    hint: 'Give an .onnx file (a protobuf ModelProto).',
    exit: 2,
  },
  MODEL_INVALID: {
    what: 'The model breaks a rule of ONNX',
    hint: 'Re-export it; onnx.checker names the same rule.',
    exit: 2,
  },
  MODEL_TOO_LARGE: {
    what: 'The model does not fit into one protobuf message',
    hint: 'Save it with external data.',
    exit: 2,
  },
  TEXT_INVALID: {
    what: 'The text is not a model in the ONNX text syntax',
    hint: 'Mend it at the line and column given; the syntax is that of onnx/docs/Syntax.md.',
    exit: 2,
  },
  EXTERNAL_MISSING: {
    what: 'External weights are missing',
    hint: 'Put the data file beside the model, as it was exported.',
    exit: 2,
  },
  EXTERNAL_ESCAPES: {
    what: 'External weights point outside of the model folder',
    hint: 'Do not load models from people you do not trust; re-export with a relative location.',
    exit: 2,
  },
  SHAPE_MISMATCH: {
    what: 'Shapes do not fit together',
    hint: 'Re-export the model with its shapes checked.',
    exit: 2,
  },
} as const satisfies Record<string, ErrorRow>;
