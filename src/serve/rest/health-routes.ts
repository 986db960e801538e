import type { FastifyReply } from 'fastify';
import { ModicumError } from '../../base/index.ts';
import type { Context } from './context.ts';
import { modelOf, type Route } from './routes.ts';

const LIVE = { 200: { says: 'The process answers', schema: 'Live' } } as const;
const READY = {
  200: { says: 'All models answer', schema: 'Live' },
  503: { says: 'Not yet, or not any more', schema: 'Live' },
} as const;

const live = () => ({ live: true });

function ready({ door }: Context, reply: FastifyReply) {
  const is = door.ready();
  return reply.code(is ? 200 : 503).send({ live: is });
}

/** Whether the server, and each model, can answer. Probes must get through without a key. */
export const HEALTH_ROUTES: readonly Route[] = [
  {
    ...{ method: 'GET', path: '/v2/health/live', operation: 'serverLive', open: true },
    summary: 'Whether the server lives',
    answers: LIVE,
    handle: live,
  },
  {
    ...{ method: 'GET', path: '/v2/health/ready', operation: 'serverReady', open: true },
    summary: 'Whether all models are ready',
    answers: READY,
    handle: (context, _request, reply) => ready(context, reply),
  },
  {
    ...{ method: 'GET', path: '/livez', operation: 'livez', open: true },
    summary: 'Liveness probe',
    answers: LIVE,
    handle: live,
  },
  {
    ...{ method: 'GET', path: '/readyz', operation: 'readyz', open: true },
    summary: 'Readiness probe',
    answers: READY,
    handle: (context, _request, reply) => ready(context, reply),
  },
  {
    ...{ method: 'GET', path: '/startupz', operation: 'startupz', open: true },
    summary: 'Startup probe: ready once, it stays so',
    answers: READY,
    handle: ({ started }, _request, reply) => reply.code(started() ? 200 : 503).send({ live: started() }),
  },
  ...['/v2/models/:model/ready', '/v2/models/:model/versions/:version/ready'].map(
    (path, i): Route => ({
      ...{ method: 'GET', path, operation: i === 0 ? 'modelReady' : 'modelVersionReady' },
      summary: `Whether ${i === 0 ? 'a model' : 'a version of a model'} is ready`,
      answers: {
        200: { says: 'It answers', schema: 'ModelReady' },
        404: { says: 'There is no such model', schema: 'Error' },
        503: { says: 'Not yet, or not any more', schema: 'ModelReady' },
      },
      handle: (context, request, reply) => {
        const { model: name, version } = modelOf(request);
        const is = isReady(context, name, version);
        return reply.code(is ? 200 : 503).send({ name, ready: is });
      },
    }),
  ),
];

/** Throws MODEL_UNKNOWN. */
function isReady({ door }: Context, name: string, version: string | undefined): boolean {
  try {
    const { served, release } = door.models.lease(name, version);
    const is = served.state().ready;
    release();
    return is;
  } catch (error) {
    if (error instanceof ModicumError && error.code === 'MODEL_NOT_READY') return false;
    throw error;
  }
}
