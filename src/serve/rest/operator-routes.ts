import type { FastifyRequest } from 'fastify';
import { fail } from '../../base/index.ts';
import type { ModelStatistics } from '../door/statistics.ts';
import type { Context } from './context.ts';
import { modelOf, type Route } from './routes.ts';

const UNKNOWN = { 404: { says: 'There is no such model', schema: 'Error' } } as const;

/** Triton's extensions for who runs the server: statistics, the index of models, and (only where it is allowed) loading and unloading. */
export const OPERATOR_ROUTES: readonly Route[] = [
  {
    ...{ method: 'GET', path: '/v2/models/stats', operation: 'statistics' },
    summary: 'What all models have done since they were loaded',
    answers: { 200: { says: 'The statistics', schema: 'Statistics' } },
    handle: (context) =>
      statistics(
        context,
        context.door.models.names().flatMap((name) => of(context, name)),
      ),
  },
  ...['/v2/models/:model/stats', '/v2/models/:model/versions/:version/stats'].map(
    (path, i): Route => ({
      ...{ method: 'GET', path, operation: i === 0 ? 'modelStatistics' : 'modelVersionStatistics' },
      summary: `What ${i === 0 ? 'a model' : 'a version of a model'} has done since it was loaded`,
      answers: { 200: { says: 'The statistics', schema: 'Statistics' }, ...UNKNOWN },
      handle: (context, request) => {
        const { model, version } = modelOf(request);
        return statistics(context, of(context, model, version));
      },
    }),
  ),
  {
    ...{ method: 'POST', path: '/v2/repository/index', operation: 'repositoryIndex' },
    summary: 'All versions of all models, with their state',
    body: 'RepositoryIndexRequest',
    answers: { 200: { says: 'The versions', schema: 'RepositoryIndex' } },
    handle: ({ door }, request) => {
      const onlyReady = (bodyOf(request).ready ?? false) === true;
      return door.models
        .index()
        .filter(({ state }) => !onlyReady || state === 'READY')
        .map(({ name, version, state, reason }) => ({ name, version, state, reason }));
    },
  },
  ...(['load', 'unload'] as const).map(
    (verb): Route => ({
      ...{ method: 'POST', path: `/v2/repository/models/:model/${verb}`, operation: `${verb}Model` },
      summary: `${verb === 'load' ? 'Loads' : 'Unloads'} a model; only where the server allows it`,
      body: 'Parameters',
      answers: {
        200: { says: 'It is done' },
        403: { says: 'The server does not allow it', schema: 'Error' },
        ...UNKNOWN,
      },
      handle: async ({ management }, request, reply) => {
        if (management === undefined) {
          throw fail('REQUEST_INVALID', 'models are not managed over the network here', { status: 403 });
        }
        if (Object.keys(bodyOf(request).parameters ?? {}).length > 0) {
          throw fail('REQUEST_INVALID', 'models come with no parameters here: neither files nor settings');
        }
        await management[verb](modelOf(request).model);
        return reply.code(200).send();
      },
    }),
  ),
];

function statistics({ door }: Context, model_stats: readonly ModelStatistics[]) {
  const { models } = door;
  door.statistics.keepOnly(new Map(models.names().map((name) => [name, models.versions(name)])));
  return { model_stats };
}

/** Throws MODEL_UNKNOWN. */
function of({ door }: Context, name: string, version?: string): ModelStatistics[] {
  const versions = door.models.versions(name);
  if (version !== undefined && !versions.includes(version)) {
    throw fail('MODEL_UNKNOWN', `${name} has no version "${version}"; it has ${versions.join(', ')}`);
  }
  return (version === undefined ? versions : [version]).map((one) => door.statistics.of(name, one));
}

function bodyOf({ body }: FastifyRequest): { ready?: unknown; parameters?: object } {
  if (body === undefined || body === null) return {};
  if (typeof body === 'object' && !Array.isArray(body)) return body;
  throw fail('REQUEST_INVALID', 'the body must be a JSON object');
}
