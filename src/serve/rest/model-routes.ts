import { VERSION } from '../../base/index.ts';
import { BINARY_EXTENSION, tensorMetadata } from '../../protocol/index.ts';
import type { Context } from './context.ts';
import { infer } from './infer.ts';
import { modelOf, type Route } from './routes.ts';

/** What this server speaks beside the protocol itself; the names are those that others use. */
export const EXTENSIONS: readonly string[] = [
  BINARY_EXTENSION,
  'model_repository',
  'schedule_policy',
  'sequence',
  'statistics',
];

const UNKNOWN = { 404: { says: 'There is no such model', schema: 'Error' } } as const;

/** What the server and its models are, and inference. */
export const MODEL_ROUTES: readonly Route[] = [
  {
    ...{ method: 'GET', path: '/v2', operation: 'serverMetadata' },
    summary: 'Name, version and extensions of the server',
    answers: { 200: { says: 'The server', schema: 'ServerMetadata' } },
    handle: () => ({ name: 'modicum', version: VERSION, extensions: EXTENSIONS }),
  },
  {
    ...{ method: 'GET', path: '/v2/models', operation: 'listModels' },
    summary: 'The models, with their versions',
    answers: { 200: { says: 'The models', schema: 'ModelList' } },
    handle: ({ door }) => ({
      models: door.models.names().map((name) => ({ name, versions: door.models.versions(name) })),
    }),
  },
  ...['/v2/models/:model', '/v2/models/:model/versions/:version'].flatMap((path, i): Route[] => [
    {
      ...{ method: 'GET', path, operation: i === 0 ? 'modelMetadata' : 'modelVersionMetadata' },
      summary: `Inputs and outputs of ${i === 0 ? 'a model' : 'a version of a model'}`,
      answers: {
        200: { says: 'The model', schema: 'ModelMetadata' },
        ...UNKNOWN,
        503: { says: 'It is not ready', schema: 'Error' },
      },
      handle: (context, request) => metadata(context, modelOf(request)),
    },
    {
      ...{ method: 'POST', path: `${path}/infer`, operation: i === 0 ? 'infer' : 'inferVersion' },
      summary: `Asks ${i === 0 ? 'a model' : 'a version of a model'}`,
      inference: true,
      body: 'InferRequest',
      answers: {
        200: { says: 'What it answers', schema: 'InferResponse' },
        400: { says: 'The request is not what the protocol or the model asks for', schema: 'Error' },
        ...UNKNOWN,
        408: { says: 'The request came too slowly', schema: 'Error' },
        411: { says: 'A raw binary request needs Content-Length', schema: 'Error' },
        413: { says: 'The request is too large', schema: 'Error' },
        415: { says: 'The body is of a kind that is not read', schema: 'Error' },
        500: { says: 'The model failed on this input, or the server itself', schema: 'Error' },
        503: { says: 'Overloaded, closing or not ready: try again after Retry-After', schema: 'Error' },
        504: { says: 'The answer would have come after its deadline', schema: 'Error' },
      },
      handle: infer,
    },
  ]),
];

/** Characters of one text that a model says of itself. Labels fit; what exporters hide there beside them does not. */
const MOST_SAID = 64 * 1024;

function metadata({ door }: Context, { model, version }: { model: string; version: string | undefined }) {
  const { served, release } = door.models.lease(model, version);
  try {
    const said = [...served.metadata].filter(([, text]) => text.length <= MOST_SAID);
    return {
      name: served.name,
      versions: door.models.versions(served.name),
      platform: served.platform,
      inputs: served.inputs.map((port) => tensorMetadata(port, 'REQUEST_INVALID')),
      outputs: served.outputs.map((port) => tensorMetadata(port, 'REQUEST_INVALID')),
      ...(said.length > 0 && { parameters: Object.fromEntries(said) }),
    };
  } finally {
    release();
  }
}
