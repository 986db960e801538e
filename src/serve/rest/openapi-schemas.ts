import { DATATYPES } from '../../protocol/index.ts';

type Schema = Readonly<Record<string, unknown>>;

const text = (description?: string): Schema => ({ type: 'string', ...(description && { description }) });
const whole = (description?: string): Schema => ({
  ...{ type: 'integer', minimum: 0 },
  ...(description && { description }),
});
const list = (items: Schema, description?: string): Schema => ({
  ...{ type: 'array', items },
  ...(description && { description }),
});
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** An object; names that end in "?" may be absent. */
function object(properties: Readonly<Record<string, Schema>>, closed = false): Schema {
  const entries = Object.entries(properties);
  return {
    type: 'object',
    properties: Object.fromEntries(entries.map(([name, schema]) => [name.replace(/\?$/, ''), schema])),
    required: entries.flatMap(([name]) => (name.endsWith('?') ? [] : [name])),
    ...(closed && { additionalProperties: false }),
  };
}

const DURATION = object({ count: whole(), ns: whole('nanoseconds, all together') }, true);

/** Bodies by name. */
export const SCHEMAS = {
  Error: object({
    error: text('What is wrong, for people'),
    code: text('What is wrong, for programs; see docs/errors.md'),
  }),
  Live: object({ live: { type: 'boolean' } }),
  ModelReady: object({ name: text(), ready: { type: 'boolean' } }),
  ServerMetadata: object({ name: text(), version: text(), extensions: list(text()) }),
  ModelList: object({ models: list(object({ name: text(), versions: list(text()) })) }),
  Datatype: { type: 'string', enum: Object.keys(DATATYPES) },
  TensorMetadata: object({
    name: text(),
    datatype: ref('Datatype'),
    shape: list({ type: 'integer', minimum: -1 }, '-1: any size'),
  }),
  ModelMetadata: object({
    name: text(),
    versions: list(text()),
    platform: text(),
    inputs: list(ref('TensorMetadata')),
    outputs: list(ref('TensorMetadata')),
    'parameters?': {
      type: 'object',
      additionalProperties: text(),
      description: 'What the model says of itself: labels, title and the like.',
    },
  }),
  Parameters: {
    type: 'object',
    additionalProperties: { type: ['string', 'number', 'boolean'] },
    description:
      'Of a request: timeout (microseconds), priority (1 is the most urgent), sequence_id, sequence_start, sequence_end, binary_data_output. Of an input or output in binary form: binary_data_size. Of an output that is asked for: binary_data.',
  },
  Data: {
    description:
      'Elements, flat (row-major) or nested as the shape. 64-bit integers may be strings of their digits; NaN and infinities are the strings "NaN", "Infinity", "-Infinity". FP16 and BF16 have no form here.',
    type: 'array',
  },
  Tensor: object({
    name: text(),
    datatype: ref('Datatype'),
    shape: list(whole()),
    'parameters?': ref('Parameters'),
    'data?': ref('Data'),
  }),
  RequestedOutput: object({ name: text(), 'parameters?': ref('Parameters') }),
  InferRequest: object({
    'id?': text('Comes back in the answer'),
    'parameters?': ref('Parameters'),
    inputs: list(ref('Tensor')),
    'outputs?': list(ref('RequestedOutput'), 'Default: all'),
  }),
  InferResponse: object({
    model_name: text(),
    'model_version?': text(),
    'id?': text(),
    'parameters?': ref('Parameters'),
    outputs: list(ref('Tensor')),
  }),
  RepositoryIndexRequest: object({ 'ready?': { type: 'boolean', description: 'Only those that are ready' } }),
  RepositoryIndex: list(
    object({
      name: text(),
      version: text(),
      state: { type: 'string', enum: ['READY', 'LOADING', 'UNLOADING', 'UNAVAILABLE'] },
      reason: text(),
    }),
  ),
  Statistics: object({
    model_stats: list(
      object({
        name: text(),
        version: text(),
        last_inference: whole('ms since 1970'),
        inference_count: whole('samples'),
        execution_count: whole('batches'),
        inference_stats: object(
          Object.fromEntries(
            [
              ...['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'],
              ...['cache_hit', 'cache_miss'],
            ].map((name) => [name, DURATION]),
          ),
        ),
        batch_stats: list(object({ batch_size: whole(), compute_infer: DURATION })),
      }),
    ),
  }),
} as const satisfies Record<string, Schema>;

export type SchemaName = keyof typeof SCHEMAS;
