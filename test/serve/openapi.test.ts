import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeKey } from '../../src/serve/index.ts';
import { ask, jsonOf, post } from './raw-http.ts';
import { startRest } from './rest-server.ts';

type Json = Record<string, unknown>;
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Json }[];
  readonly requestBody?: { content: Record<string, { schema: Json }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>;
  readonly security?: readonly Json[];
}
interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, Json>; securitySchemes: Json };
  readonly security?: readonly Json[];
}

let server: Awaited<ReturnType<typeof startRest>>;
let document: Document;
before(async () => {
  server = await startRest({}, 'pair', 'text');
  document = JSON.parse((await ask(server.port, '/openapi.json')).body.toString());
});
after(() => server.close());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

/** Every object inside of a value. */
function* within(value: unknown): Generator<Json> {
  if (typeof value !== 'object' || value === null) return;
  yield value as Json;
  for (const inner of Object.values(value)) yield* within(inner);
}

/** What breaks a schema: the words of JSON Schema that the document uses. */
function faults(schema: Json, value: unknown, at = '$'): string[] {
  if (typeof schema.$ref === 'string') {
    return faults(document.components.schemas[schema.$ref.split('/').at(-1)!]!, value, at);
  }
  const found: string[] = [];
  const types = schema.type === undefined ? [] : ([schema.type].flat() as string[]);
  if (types.length > 0 && !types.some((type) => isA(type, value)))
    found.push(`${at} is no ${types.join(' or ')}`);
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) found.push(`${at} is ${String(value)}`);
  if (typeof schema.minimum === 'number' && (value as number) < schema.minimum)
    found.push(`${at} is too small`);
  if (Array.isArray(value) && schema.items) {
    for (const [i, one] of value.entries()) found.push(...faults(schema.items as Json, one, `${at}[${i}]`));
  }
  if (isA('object', value)) {
    const properties = (schema.properties ?? {}) as Record<string, Json>;
    for (const name of (schema.required ?? []) as string[]) {
      if (!Object.hasOwn(value as Json, name)) found.push(`${at}.${name} is missing`);
    }
    for (const [name, inner] of Object.entries(value as Json)) {
      const known =
        properties[name] ??
        (typeof schema.additionalProperties === 'object' ? (schema.additionalProperties as Json) : undefined);
      if (known !== undefined) found.push(...faults(known, inner, `${at}.${name}`));
      // What is sent and not described would be missed by every generated client.
      else found.push(`${at}.${name} is not described`);
    }
  }
  return found;
}

function isA(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

test('the document has the form that OpenAPI 3.1 asks for', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.ok(document.info.title !== '' && document.info.version !== '');
  const ids = operations().map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const { path, method, operation } of operations()) {
    const where = `${method} ${path}`;
    assert.ok(path.startsWith('/') && ['get', 'post'].includes(method), where);
    assert.match(operation.operationId, /^[a-z]\w+$/, where);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const described = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    assert.deepEqual(
      described.map(({ name }) => name),
      inPath,
      where,
    );
    assert.ok(
      described.every(({ required }) => required),
      where,
    );
    assert.ok(
      Object.keys(operation.responses).some((status) => status === '200'),
      where,
    );
    for (const [status, { description }] of Object.entries(operation.responses)) {
      assert.match(status, /^[2-5]\d\d$/, where);
      assert.ok(description.length > 3, where);
    }
  }
  for (const one of within(document)) {
    if (typeof one.$ref !== 'string') continue;
    const [, name] = /^#\/components\/schemas\/(\w+)$/.exec(one.$ref) ?? [];
    assert.ok(name !== undefined && name in document.components.schemas, one.$ref);
  }
  const used = new Set([...within(document)].map(({ $ref }) => $ref).filter((ref) => ref !== undefined));
  for (const name of Object.keys(document.components.schemas)) {
    assert.ok(used.has(`#/components/schemas/${name}`), `${name} is used by nothing`);
  }
});

test('it describes every route that there is, and no other', () => {
  const described = operations()
    .map(({ path, method }) => `${method.toUpperCase()} ${path}`)
    .sort();
  for (const { path, method } of operations()) {
    assert.ok(
      server.app.hasRoute({ method: method.toUpperCase() as 'GET', url: path.replace(/\{(\w+)\}/g, ':$1') }),
      path,
    );
  }
  // As Fastify prints them: a tree whose lines end in the methods of a route.
  const printed = server.app.printRoutes({ commonPrefix: false });
  const count = [...printed.matchAll(/\((?:GET, HEAD|POST)\)/g)].length;
  assert.equal(count, described.length, printed);
});

test('what is answered is what it says, of success and of failure', async () => {
  const X = { name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] };
  const K = { name: 'k', datatype: 'INT64', shape: [1, 2], data: [1, 2] };
  const asked: readonly (readonly [path: string, body?: unknown])[] = [
    ...([
      ['/v2'],
      ['/v2/models'],
      ['/livez'],
      ['/readyz'],
      ['/startupz'],
      ['/v2/health/live'],
      ['/v2/health/ready'],
    ] as const),
    ...([
      ['/v2/models/pair'],
      ['/v2/models/pair/versions/1'],
      ['/v2/models/pair/ready'],
      ['/v2/models/pair/versions/1/ready'],
    ] as const),
    ...([['/v2/models/none'], ['/v2/models/none/ready'], ['/v2/models/pair/versions/7/stats']] as const),
    ['/v2/models/pair/infer', { id: 'i', inputs: [X, K] }],
    ['/v2/models/pair/versions/1/infer', { inputs: [X, K], outputs: [{ name: 'y' }] }],
    ['/v2/models/text/infer', { inputs: [{ name: 's', datatype: 'BYTES', shape: [1], data: ['a'] }] }],
    ['/v2/models/pair/infer', { inputs: [X] }],
    ['/v2/models/none/infer', { inputs: [X] }],
    ['/v2/repository/index', {}],
    ['/v2/repository/models/pair/load', {}],
    ...([['/v2/models/stats'], ['/v2/models/pair/stats'], ['/v2/models/pair/versions/1/stats']] as const),
  ];
  for (const [path, body] of asked) {
    const method = body === undefined ? 'get' : 'post';
    const answer = body === undefined ? await ask(server.port, path) : await post(server.port, path, body);
    const exact = operations().filter((one) => one.method === method && one.path === path);
    const [{ operation } = { operation: undefined }] = [
      ...exact,
      ...operations().filter(
        (one) => one.method === method && new RegExp(`^${one.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
      ),
    ];
    const described = operation?.responses[answer.status];
    assert.ok(described !== undefined, `${path} answered ${answer.status}, which is not described`);
    const schema = described.content!['application/json']!.schema;
    assert.deepEqual(faults(schema, jsonOf(answer)), [], path);
    if (body !== undefined) {
      const request = operation!.requestBody!.content['application/json']!.schema;
      assert.deepEqual(faults(request, body), [], `the request to ${path}`);
    }
  }
});

test('keys are described where they are asked for', async () => {
  const { key, record } = makeKey('ann');
  const closed = await startRest({ keys: [record] }, 'pair');
  try {
    const answer = await ask(closed.port, '/openapi.json', { headers: { 'x-api-key': key } });
    const described = JSON.parse(answer.body.toString()) as Document;
    assert.deepEqual(described.security, [{ bearer: [] }, { header: [] }]);
    assert.deepEqual(described.paths['/livez']!.get!.security, []);
    assert.ok('401' in described.paths['/v2']!.get!.responses);
    assert.ok(!('401' in document.paths['/v2']!.get!.responses) && document.security === undefined);
  } finally {
    await closed.close();
  }
});
