import { VERSION } from '../../base/index.ts';
import { SCHEMAS } from './openapi-schemas.ts';
import type { DocumentedAnswer, Route } from './routes.ts';

/** What every route but the open ones may answer. */
const AT_THE_DOOR: Readonly<Record<number, DocumentedAnswer>> = {
  401: { says: 'The key is missing or not known', schema: 'Error' },
  429: { says: 'The key is at its limit: try again after Retry-After', schema: 'Error' },
  503: { says: 'Overloaded or closing: try again after Retry-After', schema: 'Error' },
};

const INFER_HEADERS = [
  {
    name: 'Inference-Header-Content-Length',
    description:
      'Bytes of the JSON at the start of the body; behind it come the binary tensors in their order. 0: the body is nothing but the bytes of the one input.',
    schema: { type: 'integer', minimum: 0 },
  },
  {
    name: 'x-modicum-deadline-ms',
    description: 'ms after which the answer is worth nothing any more; what cannot meet it is refused.',
    schema: { type: 'number', exclusiveMinimum: 0 },
  },
  { name: 'traceparent', description: 'W3C trace context', schema: { type: 'string' } },
].map((header) => ({ ...header, in: 'header', required: false }));

const BINARY = {
  'application/octet-stream': {
    schema: {
      ...{ type: 'string', contentMediaType: 'application/octet-stream' },
      description: 'The JSON of the same form, and behind it the bytes of the tensors in binary form',
    },
  },
};

/** The OpenAPI 3.1 document of these routes. `keys`: whether a key is asked for. */
export function openApi(routes: readonly Route[], keys: boolean) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, keys) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Modicum',
      version: VERSION,
      description: 'Inference by the Open Inference Protocol, version 2.',
    },
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        header: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
    ...(keys && { security: [{ bearer: [] }, { header: [] }] }),
  };
}

function operation(route: Route, keys: boolean) {
  const { summary, path, body, inference = false, open = false } = route;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true },
    schema: { type: 'string' },
  }));
  const parameters = [...inPath, ...(inference ? INFER_HEADERS : [])];
  const answers = { ...(!open && AT_THE_DOOR), ...route.answers };
  return {
    operationId: route.operation,
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        required: inference,
        content: { 'application/json': { schema: schemaOf(body) }, ...(inference && BINARY) },
      },
    }),
    responses: Object.fromEntries(
      Object.entries(answers)
        .filter(([status]) => keys || (status !== '401' && status !== '429'))
        .map(([status, answer]) => [status, response(answer, inference && status === '200')]),
    ),
    ...(open && keys && { security: [] }),
  };
}

function response({ says, schema }: DocumentedAnswer, binary: boolean) {
  if (schema === undefined) return { description: says };
  return {
    description: says,
    content: { 'application/json': { schema: schemaOf(schema) }, ...(binary && BINARY) },
  };
}

const schemaOf = (name: string) => ({ $ref: `#/components/schemas/${name}` });
